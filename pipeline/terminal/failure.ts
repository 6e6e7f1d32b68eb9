/** What an error becomes on the terminal, and the exit code that goes with it. */
import { HeadwaterError } from '../../schemas/errors.ts';

export interface Failure {
  text: string;
  exitCode: number;
}

/** Faults of disk, memory and permissions, and what to do about them. */
const resources: Record<string, string> = {
  ENOSPC: 'the disk is full: make room, or name another folder with --out and --set cache=…',
  EDQUOT: 'the disk quota is used up: make room, or name another folder with --out and --set cache=…',
  EIO: 'the disk answers with an error: see whether it is sound, or name another folder with --out and --set cache=…',
  EACCES: 'no permission: change it, or name another folder with --out and --set cache=…',
  EPERM: 'not permitted: change it, or name another folder with --out and --set cache=…',
  EROFS: 'a read-only file system: name another folder with --out and --set cache=…',
  EMFILE: 'too many open files: raise the limit with ulimit -n',
  ENFILE: 'too many open files on the whole machine: close some',
  ENOMEM: 'not enough memory: set fewer pool.workers, or less in batchTokens',
  ERR_WORKER_OUT_OF_MEMORY: 'a worker ran out of memory: set fewer pool.workers, or less in batchTokens',
};

export function failureOf(error: unknown): Failure {
  if (error instanceof HeadwaterError) return { text: `error: ${error.message}`, exitCode: error.exitCode };
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, path, message } = cause as NodeJS.ErrnoException;
    const advice = code && resources[code];
    if (advice) return { text: `error: ${path ?? message}: ${advice} (${code})`, exitCode: 6 };
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { text: `error: ${stack}\nThis is a fault of Headwater: please report it with these lines.`, exitCode: 1 };
}
