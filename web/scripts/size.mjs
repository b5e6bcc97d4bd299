// Fails when what a browser must load first grows past its budget.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const BUDGET = 60_000;
const dist = new URL('../dist/', import.meta.url).pathname;
const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
const total = files.reduce(
  (sum, file) => sum + gzipSync(readFileSync(join(file.parentPath, file.name))).length,
  0,
);

process.stdout.write(`dist: ${files.length} files, ${total} bytes gzip of ${BUDGET}\n`);
process.exitCode = total < BUDGET ? 0 : 1;
