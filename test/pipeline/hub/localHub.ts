/** A stand-in for the Hugging Face hub on the loopback: the answers that a model is looked up and downloaded with. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A repository with one commit; files are named by their path in it. */
export interface LocalRepository {
  files: Record<string, Buffer | string>;
  /** Only who sends this token may read it. */
  token?: string;
}

export interface SeenRequest {
  host: 'hub' | 'storage';
  path: string;
  authorization?: string;
  range?: string;
}

export interface LocalHub {
  endpoint: string;
  requests: SeenRequest[];
  repositories: Record<string, LocalRepository>;
  /** Answers in the hub's place where it gives true. */
  interrupt: (seen: SeenRequest, response: ServerResponse) => boolean;
  close(): Promise<void>;
}

/** The commit that a repository is at. */
export const commit = '0123456789abcdef0123456789abcdef01234567';

/** Opens a hub; large files (*.safetensors) are kept by a second server, to which the hub redirects. */
export async function openLocalHub(repositories: Record<string, LocalRepository>): Promise<LocalHub> {
  const hub: LocalHub = { endpoint: '', requests: [], repositories, interrupt: () => false, close };
  const storage = await listen((request, response) => serve('storage', request, response, hub, stored));
  const front = await listen((request, response) =>
    serve('hub', request, response, hub, (path) => answer(path, storage.url)),
  );
  hub.endpoint = front.url;
  return hub;

  async function close(): Promise<void> {
    await Promise.all([front, storage].map(({ server }) => shut(server)));
  }

  function stored(path: string): Answer {
    const found = Object.values(repositories)
      .flatMap(({ files }) => Object.values(files).map((content) => Buffer.from(content)))
      .find((content) => path === `/${sha256(content)}`);
    return found ? { status: 200, body: found } : { status: 404 };
  }

  function answer(path: string, storageUrl: string): Answer {
    const [, id, rest] = /^(?:\/api\/models)?\/([^/]+\/[^/]+)\/(.*)$/.exec(path) ?? [];
    const repository = repositories[id];
    if (!repository) return { status: 404, headers: { 'X-Error-Code': 'RepoNotFound' } };
    const [, verb, revision, name] = /^(revision|resolve)\/([^/?]+)\/?([^?]*)/.exec(rest) ?? [];
    if (!['main', 'v1', 'refs%2Fpr%2F1', commit].includes(revision))
      return { status: 404, headers: { 'X-Error-Code': 'RevisionNotFound' } };
    if (verb === 'revision') return { status: 200, json: describe(repository) };
    const content = repository.files[decodeURIComponent(name)];
    if (content === undefined) return { status: 404, headers: { 'X-Error-Code': 'EntryNotFound' } };
    const body = Buffer.from(content);
    if (!isLarge(name)) return { status: 200, body, headers: { 'X-Repo-Commit': commit, ETag: `"${gitHash(body)}"` } };
    const linked = { 'X-Repo-Commit': commit, 'X-Linked-Etag': `"${sha256(body)}"`, 'X-Linked-Size': body.length };
    return { status: 302, headers: { ...linked, Location: `${storageUrl}/${sha256(body)}` } };
  }
}

interface Answer {
  status: number;
  headers?: Record<string, string | number>;
  body?: Buffer;
  json?: unknown;
}

function serve(
  host: 'hub' | 'storage',
  request: IncomingMessage,
  response: ServerResponse,
  hub: LocalHub,
  answer: (path: string) => Answer,
): void {
  const { authorization, range } = request.headers;
  const seen: SeenRequest = { host, path: request.url!, authorization, range };
  hub.requests.push(seen);
  if (hub.interrupt(seen, response)) return;
  const [, id] = /^(?:\/api\/models)?\/([^/]+\/[^/]+)\//.exec(seen.path) ?? [];
  const { token } = hub.repositories[id] ?? {};
  if (token && authorization !== `Bearer ${token}`) {
    response.writeHead(authorization ? 403 : 401, { 'X-Error-Code': 'GatedRepo' }).end();
    return;
  }
  send(answer(seen.path), range, request.method === 'HEAD', response);
}

function send(
  { status, headers, body, json }: Answer,
  range: string | undefined,
  headOnly: boolean,
  response: ServerResponse,
): void {
  const whole = json === undefined ? body : Buffer.from(JSON.stringify(json));
  const from = status === 200 ? Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0) : 0;
  const part = whole?.subarray(from) ?? Buffer.alloc(0);
  response.writeHead(from > 0 ? 206 : status, {
    'Content-Type': json === undefined ? 'application/octet-stream' : 'application/json',
    'Content-Length': part.length,
    ...headers,
  });
  response.end(headOnly ? undefined : part);
}

/** What /api/models/…/revision/…?blobs=true says. */
export function describe({ files }: LocalRepository): object {
  const siblings = Object.entries(files).map(([rfilename, content]) => {
    const body = Buffer.from(content);
    const entry = { rfilename, size: body.length, blobId: gitHash(body) };
    if (!isLarge(rfilename)) return entry;
    return { ...entry, lfs: { sha256: sha256(body), size: body.length, pointerSize: 130 } };
  });
  return { id: 'any', sha: commit, siblings };
}

const isLarge = (name: string): boolean => name.endsWith('.safetensors');

export const sha256 = (body: Buffer): string => createHash('sha256').update(body).digest('hex');

/** The name git gives a file's content. */
export const gitHash = (body: Buffer): string =>
  createHash('sha1').update(`blob ${body.length}\0`).update(body).digest('hex');

async function listen(
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ server: Server; url: string }> {
  const server = createServer(onRequest);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function shut(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}
