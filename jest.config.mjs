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
};
