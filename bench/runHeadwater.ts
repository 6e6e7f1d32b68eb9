/** Runs the program as a user would, `headwater run CONFIG.yaml`, and says what it took. */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ProcessUse, watchProcesses } from './processTree.ts';

export interface HeadwaterRun extends ProcessUse {
  /** From the start of the process to its end. */
  seconds: number;
}

const program = join(import.meta.dirname, '..', 'pipeline', 'headwater.js');

/** `flags` follow the configuration, which is written to `folder`. Throws where the program ends with anything but 0. */
export async function runHeadwater(
  command: 'run' | 'queries',
  configuration: object,
  folder: string,
  flags: string[] = [],
): Promise<HeadwaterRun> {
  const file = join(folder, 'bench.yaml');
  await writeFile(file, JSON.stringify(configuration, null, 2)); // JSON is YAML
  const begun = performance.now();
  const child = spawn(process.execPath, [program, command, file, ...flags], { stdio: ['ignore', 'ignore', 'inherit'] });
  const watch = watchProcesses(child.pid as number);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const seconds = (performance.now() - begun) / 1000;
  const use = watch.stop();
  if (code !== 0) throw new Error(`headwater ${command} ${file} ended with ${code}: see above`);
  return { seconds, ...use };
}
