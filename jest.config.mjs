/** Jest runs the TypeScript as ES modules; swc strips the types, `tsc` checks them. */
// biome-ignore lint/style/noDefaultExport: jest reads its configuration from the default export
export default {
  testMatch: ['<rootDir>/__tests__/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'es6' } },
    ],
  },
  watchman: false,
  // A core more than Jest takes by itself: much of the time is spent waiting for chains of processes.
  maxWorkers: '100%',
  // For `npm run coverage`: what swc gives out is instrumented, and shown in the source. scripts/coverage.mjs says what counts.
  coverageProvider: 'babel',
  collectCoverageFrom: ['src/replica/**/*.ts', 'src/coordinator/**/*.ts', 'src/storage/**/*.ts'],
  coverageReporters: ['json', 'text'],
};
