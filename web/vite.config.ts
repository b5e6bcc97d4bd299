import { defineConfig } from 'vite';

const server = 'http://127.0.0.1:8080';

// `npm run dev` shows a running camserver's data; the build is a directory of hashed files.
// biome-ignore lint/style/noDefaultExport: Vite reads its configuration from the default export.
export default defineConfig({
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    sourcemap: false,
  },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  server: {
    proxy: {
      '/api': server,
      '/healthz': server,
      '/ws': { target: server, ws: true },
      '/live': { target: server, ws: true },
    },
  },
});
