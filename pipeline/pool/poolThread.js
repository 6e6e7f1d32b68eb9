/** What Piscina starts a thread with: lets tsx load the TypeScript sources there too, then hands tasks to poolWorker.ts. */
import { register } from 'tsx/esm/api';

register({ tsconfig: false });
const { default: answerTask } = await import('./poolWorker.ts');
export default answerTask;
