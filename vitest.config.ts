import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/cluster.ts'],
    testTimeout: 60_000,
    // daemons are killed and frozen for real here; on two busy cores one of them may miss its moment once
    retry: 1,
    hookTimeout: 60_000,
    maxWorkers: 4,
  },
});
