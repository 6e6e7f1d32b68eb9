/** What the queries of a task ask for: a fact, a procedure, or something that only looks like one. */
import type { Configuration } from '../../schemas/configuration.ts';
import { nameGlob } from '../../schemas/nameGlob.ts';

export type TaskClass = 'factual' | 'control' | 'reasoning';

/** The class of a task by the configuration's globs; null for '', the task of queries that name none. */
export type ClassOf = (task: string) => TaskClass | null;

export function taskClasses({ factual, control }: Configuration['tasks']): ClassOf {
  const matches = (globs: string[]) => {
    const matchers = globs.map(nameGlob);
    return (task: string) => matchers.some((matcher) => matcher.test(task));
  };
  const [isFactual, isControl] = [matches(factual), matches(control)];
  return (task) => {
    if (task === '') return null;
    if (isControl(task)) return 'control';
    return isFactual(task) ? 'factual' : 'reasoning';
  };
}
