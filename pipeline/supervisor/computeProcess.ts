/** The compute process: does all that a run does, tells its supervisor what is in flight, and ends when that is gone. */
import { once } from 'node:events';
import { waitsForDrive } from '../../operators/documents/parquet/withDeadline.ts';
import { onTerminal, realTerminal, reported, wholeProcess } from '../terminal/onTerminal.ts';
import type { News, Start } from './messages.ts';
import type { Caution, Supervision } from './supervision.ts';

export async function compute(loadStages = realStages): Promise<void> {
  process.on('disconnect', endAtOnce);
  const [start] = (await once(process, 'message')) as [Start];
  process.channel?.unref(); // a run that is done ends, its supervisor listening or not
  const { configuration, shard, caution, resume, quiet } = start;
  const supervision = tellSupervisor(caution);
  const run = () =>
    onTerminal({ quiet }, realTerminal, async (hooks) =>
      (await loadStages()).runStage(configuration, { ...hooks, supervision, resume }, shard),
    );
  await wholeProcess(async () => {
    const exitCode = await reported(run, realTerminal.stderr);
    // Not even process.exit ends a process with a read under way that nobody answers.
    if (waitsForDrive()) tell({ kind: 'over', exitCode });
    // Nor does what a module of the user's left running end by itself.
    setTimeout(() => {
      if (process.stdout.writableLength === 0) tell({ kind: 'over', exitCode });
    }, lingersFor).unref();
    return exitCode;
  });
}

const realStages = (): Promise<Pick<typeof import('../stages/stages.ts'), 'runStage'>> => import('../stages/stages.ts');

/** Nobody would start this process again, and the run folder may soon have another owner. */
function endAtOnce(): void {
  process.kill(process.pid, 'SIGKILL');
}

/** A message that is lost told a supervisor that is gone: see endAtOnce. */
function tell(news: News): void {
  process.send?.(news, undefined, undefined, () => {});
}

const lingersFor = 5000; // ms
const tokensEvery = 1000; // ms

/** Each message is in the pipe when the call returns: what crashes right after `begin` is known to have begun. */
export function tellSupervisor(caution: Caution): Supervision {
  let toldAt = Number.NEGATIVE_INFINITY;
  return {
    caution,
    begin: ({ keyStart, keyEnd }) => tell({ kind: 'begin', work: { keyStart, keyEnd } }),
    end: ({ keyStart, keyEnd }) => tell({ kind: 'end', work: { keyStart, keyEnd } }),
    tokens(total) {
      if (performance.now() - toldAt < tokensEvery) return;
      toldAt = performance.now();
      tell({ kind: 'tokens', total });
    },
    checkpointed: (key) => tell({ kind: 'checkpointed', key }),
  };
}
