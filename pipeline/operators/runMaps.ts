/** Runs the user's maps of the main thread: on copies, within a time, and without the documents on which they fail. */
import type { DocumentColumns } from '../../schemas/batches.ts';
import { InputError } from '../../schemas/errors.ts';
import { runChain } from '../pool/fusedTask.ts';
import { type PoisonPolicy, withoutPoison } from '../pool/withoutPoison.ts';
import type { OpenOperator } from './openOperator.ts';
import { withinSeconds } from './withinSeconds.ts';

export interface MapPolicy extends PoisonPolicy {
  /** Seconds that the maps together may take for a batch: nothing can end a promise that never resolves, but the run need not wait. */
  seconds: number;
}

/**
 * The batch itself where there are no maps. They work on copies: what one that fails, or is run again on half of a batch, wrote
 * into what it was given is seen by nobody. Throws InputError that names the map which gave nothing in time.
 */
export async function runMaps<Batch extends DocumentColumns>(
  maps: readonly OpenOperator[],
  batch: Batch,
  policy: MapPolicy,
): Promise<Batch> {
  if (maps.length === 0) return batch;
  let at = maps[0];
  const watched = maps.map((map) => ({
    ...map,
    run(input: unknown) {
      at = map;
      return map.run(input);
    },
  }));
  const late = () => neverGave(at, batch, policy.seconds);
  return withoutPoison(
    batch,
    (part) => withinSeconds(runChain<Batch>(watched, structuredClone(part)), policy.seconds, late),
    policy,
  );
}

function neverGave({ name, origin }: OpenOperator, { batch, key }: DocumentColumns, seconds: number): InputError {
  return new InputError(
    `operator ${name} gave nothing within ${seconds} s for batch ${batch}, ${key.length} documents (${origin ?? 'built in'}): does it ` +
      'await what never comes? The limit is supervisor.batchSeconds',
  );
}
