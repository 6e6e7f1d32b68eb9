/** The queries: what the model wrote, whose origins are traced. */

/** One query. f_q is the summed negative log-likelihood, in nats, of `completion` given `prompt`. */
export interface Query {
  id: string;
  prompt: string;
  completion: string;
  /** The kind of question, for grouping; '' where none is given. */
  task: string;
  answers: string[];
  steps: string[];
}
