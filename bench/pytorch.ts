/** PyTorch in a process of its own that lives through the bench: plain forward + backward on the windows it is sent. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type BenchPaths, pythonScript } from './benchFolder.ts';
import { watchProcesses } from './processTree.ts';

export interface PyTorch {
  versions: string;
  /** Summed loss of each window, nats, and seconds that forward + backward took, the pipe between us not counted. */
  forwardBackward(windows: number[][]): Promise<{ loss: number[]; seconds: number }>;
  /** Ends the process; gives the most memory it ever had resident, bytes. */
  close(): Promise<number>;
}

export async function openPyTorch({ python, model }: BenchPaths, threads: number): Promise<PyTorch> {
  const child = spawn(python, [pythonScript('forward_backward.py'), model, String(threads)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TRANSFORMERS_VERBOSITY: 'error', HF_HUB_DISABLE_PROGRESS_BARS: '1' },
  });
  const watch = watchProcesses(child.pid as number);
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { done, value } = await lines.next();
    if (done) throw new Error(`${python} expected to answer, and ended with exit code ${child.exitCode}: see above`);
    return JSON.parse(value);
  };
  const { versions } = await answer();
  return {
    versions,
    async forwardBackward(windows) {
      child.stdin.write(`${JSON.stringify({ ids: windows })}\n`);
      return answer();
    },
    async close() {
      await watch.sample();
      child.stdin.end();
      await ended;
      return watch.stop().peakBytes;
    },
  };
}
