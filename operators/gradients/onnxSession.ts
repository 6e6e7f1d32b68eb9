/** Opens ONNX models in onnxruntime the way that suits a worker which keeps its session for life. */
import { InferenceSession } from 'onnxruntime-node';
import { ResourceError } from '../../schemas/errors.ts';

export interface SessionSettings {
  threadsPerWorker: number;
  /** Repack weights for speed, at the price of a copy of them in each worker. */
  prepack: boolean;
}

/** A session for the model at a path or in memory; throws ResourceError with the runtime's own words where it cannot be opened. */
export async function openSession(model: string | Uint8Array, settings: SessionSettings): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(model as string, {
      intraOpNumThreads: settings.threadsPerWorker,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      // With memory patterns every new shape grows the arena.
      enableMemPattern: false,
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      extra: { session: { disable_prepacking: settings.prepack ? '0' : '1' } },
    });
  } catch (cause) {
    throw new ResourceError(
      `onnxruntime could not open ${typeof model === 'string' ? model : 'a model in memory'}: ${(cause as Error).message}`,
      { cause },
    );
  }
}
