import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headwater-'));
});
afterAll(() => rm(folder, { recursive: true }));

const program = resolve(packageJson.bin.headwater);

function run(file: string, args: string[], cwd = folder): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((done) => {
    execFile(file, args, { cwd }, (error, stdout, stderr) => done({ code: error?.code ?? 0, stdout, stderr }));
  });
}

describe('headwater', () => {
  it('runs from another folder, through the link that npm makes', async () => {
    const link = join(folder, 'headwater');
    await symlink(program, link);
    expect(await run(link, ['--version'])).toEqual({ code: 0, stdout: `${packageJson.version}\n`, stderr: '' });
  }, 30_000);

  it('runs from within node_modules, which Node alone would refuse for TypeScript', async () => {
    const installed = join(folder, 'node_modules', 'headwater');
    await mkdir(join(folder, 'node_modules'));
    await symlink(resolve('.'), installed);
    const args = ['--preserve-symlinks', '--preserve-symlinks-main', join(installed, packageJson.bin.headwater)];
    expect(await run(process.execPath, [...args, '--version'])).toMatchObject({ stdout: `${packageJson.version}\n` });
  }, 30_000);

  it('does not mind the tsconfig.json of the folder it is called from', async () => {
    await writeFile(join(folder, 'tsconfig.json'), '{ "extends": "./missing.json" }');
    expect(await run(program, ['--version'])).toMatchObject({ code: 0, stderr: '' });
  }, 30_000);

  it('ends with the exit code of the command', async () => {
    await writeFile(join(folder, 'bad.yaml'), 'model: [1,\n');
    const { code, stdout, stderr } = await run(program, ['run', 'bad.yaml']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^error: bad\.yaml:2:1: not YAML: /);
  }, 30_000);

  it('survives a reader that leaves early', async () => {
    const { code, stdout } = await run('/bin/sh', ['-c', `"${program}" config --json-schema | head -c 1`]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '{' });
  }, 30_000);
});
