/** Which curvature factors a configuration needs. */
import type { Configuration } from '../../schemas/configuration.ts';
import type { WantedFactors } from './fit/curvature.ts';

type Settings = Pick<Configuration, 'preconditioner' | 'projection'>;

/** How dimensions are weighted when they are chosen: plain gradients have no curvature unless it is asked for. */
export function weightingOf({ preconditioner, projection }: Settings): 'curvature' | 'none' {
  if (projection.kind !== 'queryAdaptive') return 'none';
  return projection.weighting ?? (preconditioner.kind === 'identity' ? 'none' : 'curvature');
}

export function wantedFactors(settings: Settings): WantedFactors {
  const { preconditioner, projection } = settings;
  const kronecker = preconditioner.kind === 'ekfac' || preconditioner.kind === 'kfac';
  const weighted = weightingOf(settings) === 'curvature' && preconditioner.kind === 'identity';
  return {
    eigenbases: kronecker || projection.kind === 'eigen' || weighted,
    squares: preconditioner.kind === 'ekfac',
    fisher: preconditioner.kind === 'diagonal',
  };
}

export function needsFactors(settings: Settings): boolean {
  return Object.values(wantedFactors(settings)).some(Boolean);
}
