import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/cluster.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // what a page shows comes when it comes, on a busy machine later than the second that is usual here
    expect: { poll: { timeout: 30_000, interval: 20 } },
    // a worker reads the program once, not once for each file; no test leaves anything behind in its process
    isolate: false,
    maxWorkers: 4,
    // some 160 files share two cores there, browsers and crashing daemons among them; at home a test has one try
    retry: process.env['CI'] === undefined ? 0 : 2,
  },
});
