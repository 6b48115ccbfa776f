// Packs editor.js with CodeMirror for the query page: `npm ci --ignore-scripts && npm run build`.

import { build } from 'esbuild';
import { readdirSync, readFileSync, writeFileSync, existsSync } from 'node:fs';

const out = new URL('../static/', import.meta.url);
const packed = await build({
  entryPoints: ['editor.js'],
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'none',
  metafile: true,
  write: false,
});

const names = new Set();
for (const path of Object.keys(packed.metafile.inputs)) {
  const found = path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (found) names.add(found[1]);
}
const notices = [];
const list = [];
for (const name of [...names].sort()) {
  const folder = new URL(`node_modules/${name}/`, import.meta.url);
  const { version, license } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'));
  list.push(`${name} ${version} (${license})`);
  const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
  if (file && existsSync(new URL(file, folder))) {
    notices.push(`== ${name} ${version}, ${license}\n\n${readFileSync(new URL(file, folder), 'utf8').trim()}\n`);
  }
}
const head = `/* promlab's expression editor, Apache-2.0. Built from promlab/server/editor: do not edit.\n * Holds ${list.join(', ')}:\n * licences in LICENSE.editor. */\n`;
writeFileSync(new URL('editor.js', out), head + packed.outputFiles[0].text);
writeFileSync(new URL('LICENSE.editor', out), notices.join('\n'));
