import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

export default ts.config(
  { ignores: ['dist', 'wailsjs', 'node_modules'] },
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  { languageOptions: { globals: { ...globals.browser } } },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: ['.svelte'], svelteConfig } },
  },
  {
    rules: {
      'no-console': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      // State is $state.raw: maps and sets are replaced as a whole, never mutated in sight.
      'svelte/prefer-svelte-reactivity': 'off',
      'svelte/no-useless-mustaches': ['error', { ignoreStringEscape: true }],
    },
  },
  { files: ['*.config.{js,ts}', 'src/**/*.test.ts', 'journey/**/*.ts'], languageOptions: { globals: { ...globals.node } } },
);
