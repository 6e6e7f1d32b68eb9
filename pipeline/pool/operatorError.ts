/** An operator threw on a batch, or gave one of the wrong shape: it may be one document's fault, which `withoutPoison` finds. */
import { HeadwaterError } from '../../schemas/errors.ts';

export class OperatorError extends HeadwaterError {
  /** The operator's name. */
  readonly operator: string;
  /** The operator's own words, without where it happened. */
  readonly reason: string;

  constructor(message: string, exitCode: number, operator: string, reason: string, options?: ErrorOptions) {
    super(message, exitCode, options);
    this.operator = operator;
    this.reason = reason;
  }
}
