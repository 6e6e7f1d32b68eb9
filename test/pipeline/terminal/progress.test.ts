import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createProgress, duration } from '../../../pipeline/terminal/progress.ts';

afterEach(() => vi.useRealTimers());

function setUp({ isTTY = false, columns = 120, quiet = false } = {}) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns }) as unknown as NodeJS.WriteStream;
  const written: string[] = [];
  stream.on('data', (chunk: Buffer) => written.push(chunk.toString()));
  const clock = { ms: 1000 };
  const progress = createProgress({ stream, quiet, now: () => clock.ms });
  return { clock, progress, text: () => written.join(''), lines: () => written.join('').trimEnd().split('\n') };
}

describe('createProgress: plain lines', () => {
  it('tells rate and time left about every ten seconds', () => {
    const { clock, progress, lines } = setUp();
    progress.stage('scores', 5000);
    for (let batch = 0; batch < 25; batch++) {
      clock.ms += 1000;
      progress.advance({ items: 16, tokens: 4210 });
    }
    expect(lines()).toEqual([
      'scores: 5,000 documents',
      'scores: 3 % (160 of 5,000 documents), 5 min 3 s left, 16 documents/s, 4,210 tokens/s',
      'scores: 6 % (320 of 5,000 documents), 4 min 53 s left, 16 documents/s, 4,210 tokens/s',
    ]);
  });

  it('ends a stage with what it did', () => {
    const { clock, progress, lines } = setUp();
    progress.stage('scores', 100);
    clock.ms += 40_000;
    progress.advance({ items: 100, tokens: 50_000 });
    progress.done();
    progress.done();
    expect(lines().at(-1)).toBe('scores: 100 documents, 50,000 tokens in 40 s (2.5 documents/s, 1,250 tokens/s)');
    expect(lines().filter((line) => line.includes(' in '))).toHaveLength(1);
  });

  it('goes without share and time left where the total is not known', () => {
    const { clock, progress, lines } = setUp();
    progress.stage('queries');
    clock.ms += 10_000;
    progress.advance({ items: 3, tokens: 60 });
    expect(lines()).toEqual(['queries: begins', 'queries: 3 documents, 0.3 documents/s, 6 tokens/s']);
  });

  it('follows a rate that changes within half a minute', () => {
    const { clock, progress, lines } = setUp();
    progress.stage('scores', 100_000);
    for (let second = 0; second < 120; second++) {
      clock.ms += 1000;
      progress.advance({ items: second < 60 ? 1 : 100, tokens: 0 });
    }
    expect(lines().at(-1)).toContain(' 100 documents/s');
  });

  it('keeps its numbers when the wall clock jumps', () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const steady = (jump: () => void): string[] => {
      const { clock, progress, lines } = setUp();
      progress.stage('scores', 1000);
      for (let batch = 0; batch < 30; batch++) {
        clock.ms += 1000;
        jump();
        progress.advance({ items: 10, tokens: 100 });
      }
      progress.done();
      return lines();
    };
    const usual = steady(() => {});
    expect(steady(() => vi.setSystemTime(Date.now() - 3_600_000))).toEqual(usual);
    expect(steady(() => vi.setSystemTime(Date.now() + 86_400_000))).toEqual(usual);
  });

  it('ends one stage when the next begins', () => {
    const { progress, lines } = setUp();
    progress.stage('queries', 1);
    progress.stage('scores', 1);
    expect(lines()[1]).toBe('queries: 0 documents in 0 s');
  });
});

describe('createProgress: a terminal', () => {
  it('draws a bar, and takes it away for the line at the end', () => {
    vi.useFakeTimers();
    const { clock, progress, text } = setUp({ isTTY: true });
    progress.stage('scores', 200);
    clock.ms += 10_000;
    progress.advance({ items: 100, tokens: 1000 });
    vi.advanceTimersByTime(300);
    expect(text()).toContain(
      'scores ██████████░░░░░░░░░░ 50 % (100 of 200 documents), 10 s left, 10 documents/s, 100 tokens/s',
    );
    progress.done();
    expect(text().trimEnd()).toMatch(/scores: 100 documents, 1,000 tokens in 10 s \(10 documents\/s, 100 tokens\/s\)$/);
    expect(vi.getTimerCount()).toBe(0); // nothing keeps the process alive
  });

  it('writes news above the bar', () => {
    vi.useFakeTimers();
    const { progress, text } = setUp({ isTTY: true });
    progress.log('before');
    progress.stage('scores', 200);
    progress.log('a file was passed over');
    vi.advanceTimersByTime(300);
    expect(text()).toMatch(/before\n[\s\S]*a file was passed over\n[\s\S]*scores ░/);
    progress.log('last words');
    progress.stop();
    expect(text()).toContain('last words\n');
    expect(text()).not.toContain('scores:');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('neither hides the cursor nor changes the wrapping, which a kill would leave so', () => {
    vi.useFakeTimers();
    const { progress, text } = setUp({ isTTY: true, columns: 30 });
    progress.stage('scores', 200);
    vi.advanceTimersByTime(300);
    progress.done();
    expect(text()).not.toContain('\u001b[?');
  });

  it('survives a wall clock that jumps', () => {
    vi.useFakeTimers();
    const { clock, progress, text } = setUp({ isTTY: true });
    progress.stage('scores', 200);
    clock.ms += 10_000;
    vi.setSystemTime(Date.now() - 86_400_000);
    progress.advance({ items: 100, tokens: 1000 });
    vi.advanceTimersByTime(300);
    expect(text()).toContain('10 s left, 10 documents/s, 100 tokens/s');
    progress.stop();
  });
});

describe('createProgress', () => {
  it('says nothing when quiet', () => {
    const { clock, progress, text } = setUp({ quiet: true });
    progress.stage('scores', 10);
    clock.ms += 60_000;
    progress.advance({ items: 10, tokens: 10 });
    progress.log('news');
    progress.done();
    progress.stop();
    expect(text()).toBe('');
  });

  it.each([true, false])('sends no control character of a name or of news (terminal: %s)', (isTTY) => {
    vi.useFakeTimers();
    const { progress, text } = setUp({ isTTY });
    progress.stage('sco\u001b[31mres', 10);
    progress.log('file \u001b]0;owned\u0007.parquet');
    vi.advanceTimersByTime(300);
    progress.done();
    expect(text()).toContain('file \\u{1b}]0;owned\\u{7}.parquet');
    expect(text()).toContain('sco\\u{1b}[31mres');
    for (const sent of ['\u001b[31m', '\u001b]', '\u0007']) expect(text()).not.toContain(sent);
  });
});

describe('duration', () => {
  it.each([
    [0, '0 s'],
    [0.44, '0.4 s'],
    [59.4, '59 s'],
    [59.6, '1 min 0 s'],
    [237, '3 min 57 s'],
    [7500, '2 h 5 min'],
    [3_600_000, '1,000 h 0 min'],
  ])('shows %d seconds as %s', (seconds, shown) => {
    expect(duration(seconds)).toBe(shown);
  });
});
