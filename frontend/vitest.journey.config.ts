import { defineConfig } from 'vitest/config';

// Journeys run the built program and a real browser: one at a time, so that each has the machine.
export default defineConfig({
  test: {
    environment: 'node',
    include: ['journey/**/*.test.ts'],
    globalSetup: ['journey/setup.ts'],
    fileParallelism: false,
    testTimeout: 90_000,
    hookTimeout: 60_000,
  },
});
