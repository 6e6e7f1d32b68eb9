/** What the page has before its script: d3 and Plot, whose builds stand in scripts of their own. */
import type * as ObservablePlot from '@observablehq/plot';

declare global {
  const Plot: typeof ObservablePlot;
  // d3 has no types of its own
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const d3: any;
}
