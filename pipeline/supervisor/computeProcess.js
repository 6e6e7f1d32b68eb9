/** What the supervisor starts: lets tsx load the TypeScript sources, as headwater.js does, then computes. */
import { register } from 'tsx/esm/api';

register({ tsconfig: false });
const { compute } = await import('./computeProcess.ts');
await compute();
