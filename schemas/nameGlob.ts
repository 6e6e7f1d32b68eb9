/** What a glob over names means in a configuration: `*` stands for any characters, dots among them; everything else for itself. */
export function nameGlob(glob: string): RegExp {
  const parts = glob.split('*').map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's');
}
