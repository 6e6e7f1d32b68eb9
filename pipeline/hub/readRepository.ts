/** Asks the hub about a repository, and turns each of its refusals into what the user can do about it. */
import { z } from 'zod';
import { InputError } from '../../schemas/errors.ts';
import type { HubSettings } from './hubSettings.ts';

/** A repository as the configuration names it. */
export interface HubId {
  id: string;
  /** A branch, a tag or a commit. */
  revision: string;
}

export interface HubFile {
  name: string;
  /** Bytes. */
  size: number;
  /** What names its content: git's SHA-1 of it, or the SHA-256 of a large file. */
  etag: string;
}

export interface Repository extends HubId {
  commit: string;
  files: HubFile[];
}

const hash = z.string().regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/); // becomes a file's name
const answerSchema = z.object({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  siblings: z.array(
    z.object({ rfilename: z.string(), size: z.int().min(0), blobId: hash, lfs: z.object({ sha256: hash }).nullish() }),
  ),
});

/** The commit and the files of a repository. Throws InputError. */
export async function readRepository(hub: HubSettings, wanted: HubId, signal: AbortSignal): Promise<Repository> {
  const { id, revision } = wanted;
  const url = `${hub.endpoint}/api/models/${id}/revision/${encodeURIComponent(revision)}?blobs=true`;
  const response = await askHub(hub, wanted, url, signal);
  const { success, data } = answerSchema.safeParse(await response.json().catch(() => null));
  if (!success)
    throw new InputError(
      `model: expected the hub's description of ${id} at ${url}, got something else (${response.headers.get('content-type')}): ` +
        'check HF_ENDPOINT, and whether a proxy or a sign-in page answers in its place',
    );
  const files = data.siblings.map(({ rfilename, size, blobId, lfs }) => {
    return { name: rfilename, size, etag: lfs?.sha256 ?? blobId };
  });
  return { id, revision, commit: data.sha, files };
}

/** Where the hub serves a file of a repository. */
export function fileUrl({ endpoint }: HubSettings, { id, commit }: Repository, name: string): string {
  return `${endpoint}/${id}/resolve/${commit}/${encodeURIComponent(name)}`;
}

/**
 * Asks for `url`, from byte `from` on. Redirects are followed; fetch keeps the token from other hosts.
 * Throws InputError for a host that cannot be reached and for every refusal; what aborts `signal` passes through.
 */
export async function askHub(
  hub: HubSettings,
  wanted: HubId,
  url: string,
  signal: AbortSignal,
  from = 0,
): Promise<Response> {
  const headers = new Headers({ 'accept-encoding': 'identity' }); // sizes and ranges are those of the file itself
  if (hub.token) headers.set('authorization', `Bearer ${hub.token}`);
  if (from > 0) headers.set('range', `bytes=${from}-`);
  const response = await fetch(url, { headers, signal }).catch((cause: Error) => {
    if (signal.aborted) throw cause;
    throw new InputError(
      `model: ${wanted.id} is no folder here, and ${hub.endpoint} could not be reached (${networkReason(cause)}): check the ` +
        'network, set HF_ENDPOINT to a mirror, or give the path of a folder that holds the model',
      { cause },
    );
  });
  if (response.ok) return response;
  await response.body?.cancel();
  throw new InputError(`model: ${refusal(hub, wanted, response)}`);
}

/** Why the hub said no, and what helps. */
function refusal(hub: HubSettings, { id, revision }: HubId, { status, headers }: Response): string {
  const page = `${hub.endpoint}/${id}`;
  if (headers.get('x-error-code') === 'RevisionNotFound')
    return `${page} has no branch, tag or commit ${revision}: name one that is there after the @`;
  if (status === 404)
    return `${id} is no folder here, and ${hub.endpoint} has no repository of that name (404): check the spelling`;
  // The hub answers 401 for a repository that does not exist, too, unless a token tells it who asks.
  if (status === 401 && !hub.token)
    return `${page} expected a token (401): it is gated, private, or not there. Check the spelling, accept its terms on its page, and set HF_TOKEN`;
  if (status === 401 || status === 403)
    return `${page} is gated or private, and the token that was sent may not read it (${status}): accept its terms on its page, and set HF_TOKEN to a token that may read it`;
  const later = status === 429 || status >= 500 ? 'try again later; ' : '';
  return `${page} answered ${status}: ${later}what is downloaded so far is kept, and a folder with the model can be given instead`;
}

/** fetch says only "fetch failed"; its cause says why. */
export function networkReason(error: unknown): string {
  const { cause = error } = error as Error;
  const { code, message } = cause as NodeJS.ErrnoException;
  return [code, message].filter(Boolean).join(', ');
}
