/** Watches a process and all its descendants through Linux's /proc: CPU time, and the most memory each had resident. */
import { readdir, readFile } from 'node:fs/promises';

export interface ProcessUse {
  /** User and system time of all processes, seconds. */
  cpuSeconds: number;
  /** Sum over the processes of the most memory each ever had resident (VmHWM), bytes: exact for one, an upper bound for several. */
  peakBytes: number;
}

export interface ProcessWatch {
  sample(): Promise<void>;
  stop(): ProcessUse;
}

const every = 100; // ms: what a process does after its last sample is not seen
const ticksPerSecond = 100; // USER_HZ, on every Linux that Node runs on

export function watchProcesses(root: number): ProcessWatch {
  const seen = new Map<number, ProcessUse>();
  const sample = async () => {
    for (const pid of await processTree(root)) {
      const use = await readUse(pid).catch(() => null); // ended since it was listed
      if (use && use.peakBytes > 0) seen.set(pid, use);
    }
  };
  let next: NodeJS.Timeout | null = null;
  let stopped = false;
  const again = async () => {
    await sample();
    if (!stopped) next = setTimeout(again, every);
  };
  void again();
  return {
    sample,
    stop() {
      stopped = true;
      if (next) clearTimeout(next);
      const uses = [...seen.values()];
      if (uses.length === 0) throw new Error('processTree expected /proc, which only Linux has');
      const sum = (field: keyof ProcessUse) => uses.reduce((total, use) => total + use[field], 0);
      return { cpuSeconds: sum('cpuSeconds'), peakBytes: sum('peakBytes') };
    },
  };
}

async function processTree(root: number): Promise<number[]> {
  const threads = await readdir(`/proc/${root}/task`).catch(() => []);
  const lists = threads.map((thread) => readFile(`/proc/${root}/task/${thread}/children`, 'utf8').catch(() => ''));
  const children = (await Promise.all(lists)).flatMap((list) => list.trim().split(' ').filter(Boolean).map(Number));
  return [root, ...(await Promise.all(children.map(processTree))).flat()];
}

async function readUse(pid: number): Promise<ProcessUse> {
  const [stat, status] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8'),
    readFile(`/proc/${pid}/status`, 'utf8'),
  ]);
  // The second field is the program's name, which may hold spaces and parentheses; utime and stime are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const kibibytes = Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0);
  return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond, peakBytes: kibibytes * 1024 };
}
