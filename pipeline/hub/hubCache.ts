/** The folder that files of the hub are kept in, laid out as Python's huggingface_hub does, so that both read what either fetched. */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

//   models--owner--name/refs/main              the commit that a branch or tag stood for
//                      /blobs/<etag>           a file's content
//                      /snapshots/<commit>/…   the files of a commit, links to blobs

export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

/** One repository's part of the cache; nothing is made before it is written to. */
export class HubCache {
  private readonly folder: string;

  constructor(cache: string, id: string) {
    this.folder = join(cache, `models--${id.replaceAll('/', '--')}`);
  }

  /** The commit that a branch, a tag or a commit stands for, as last asked; null where it never was. */
  async commit(revision: string): Promise<string | null> {
    if (isCommit(revision)) return revision;
    const text = await readFile(join(this.folder, 'refs', revision), 'utf8').catch(() => '');
    return isCommit(text.trim()) ? text.trim() : null;
  }

  async rememberCommit(revision: string, commit: string): Promise<void> {
    if (revision === commit) return;
    const path = join(this.folder, 'refs', revision);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, commit);
  }

  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit);
  }

  /** Where the content that `etag` names is, or would be. */
  async blob(etag: string): Promise<string> {
    await mkdir(join(this.folder, 'blobs'), { recursive: true });
    return join(this.folder, 'blobs', etag);
  }

  /** Puts a blob into a commit's folder under its name, in one step. */
  async show(blob: string, commit: string, name: string): Promise<void> {
    const path = join(this.snapshot(commit), name);
    await mkdir(dirname(path), { recursive: true });
    const temporary = `${path}.${randomUUID()}`;
    // Windows lets only administrators make symbolic links.
    await symlink(relative(dirname(path), blob), temporary).catch(() => link(blob, temporary));
    await rename(temporary, path);
    await rm(temporary, { force: true }); // rename leaves it where both are the same file
  }
}

/** Bytes of a file, links followed; null where there is none. */
export async function sizeOf(path: string): Promise<number | null> {
  return stat(path).then(
    ({ size }) => size,
    () => null,
  );
}
