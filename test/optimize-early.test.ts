import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { optimizingFlags } from '../src/optimize-early.ts';

test('this version of V8 has each flag of the early optimization', () => {
  const options = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
  for (const flag of optimizingFlags) expect(options).toContain(`  ${flag.split('=')[0]} (`);
});
