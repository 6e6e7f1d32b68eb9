/** A number of bytes as people read it: KiB, MiB or GiB. */
export function bytesText(n: number): string {
  if (n < 2 ** 20) return `${Math.ceil(n / 1024)} KiB`;
  return n < 2 ** 30 ? `${Math.ceil(n / 2 ** 20)} MiB` : `${(n / 2 ** 30).toFixed(1)} GiB`;
}
