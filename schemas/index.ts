/** What an operator of your own may need: the batches that travel, the contract, and the errors. */
export * from './batches.ts';
export type { Configuration } from './configuration.ts';
export * from './errors.ts';
export * from './operators.ts';
export type { Query } from './queries.ts';
