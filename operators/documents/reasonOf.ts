/** Says in a user's words why a file could not be decoded: decoders over damaged bytes throw whatever JavaScript throws. */
export function reasonOf(cause: unknown): string {
  if (cause instanceof RangeError) return 'it is damaged: its values reach past its end';
  if (cause instanceof TypeError) return 'it is damaged: a part of its metadata is missing or of another kind';
  return (cause as Error).message;
}
