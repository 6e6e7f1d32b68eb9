#!/usr/bin/env node
/** The program: checks Node, then lets tsx load the TypeScript sources as they are. */
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `error: Headwater expected Node 20.19 or newer, got ${process.versions.node}: install a newer Node\n`,
  );
  process.exit(2);
}
const { register } = await import('tsx/esm/api');
register({ tsconfig: false }); // not the tsconfig.json of the folder it is called from
const { main } = await import('./terminal/commandLine.ts');
await main(process.argv.slice(2));
