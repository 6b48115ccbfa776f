// Packs highlight.js as a prebuilt JupyterLab extension: `npm ci && npm run build`.
//
// A federated module is no more than an object in `window._JUPYTERLAB` with `init` and `get`.
// CodeMirror and its friends are the page's own: an extension with copies of them would not
// be understood by the page's editors. The PromQL grammar is packed in, with its licence.

import { build } from 'esbuild';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const shared = [
  '@codemirror/language',
  '@codemirror/state',
  '@codemirror/view',
  '@jupyterlab/codemirror',
  '@lezer/common',
  '@lezer/highlight',
];
const grammar = new URL('node_modules/@prometheus-io/lezer-promql/', import.meta.url);
const dist = new URL('../dist/', import.meta.url);

const packed = await build({
  entryPoints: ['highlight.js'],
  bundle: true,
  minify: true,
  format: 'cjs',
  target: 'es2022',
  external: shared,
  write: false,
});

const { version } = JSON.parse(readFileSync(new URL('package.json', grammar), 'utf8'));
const module = `/* promlab's highlighting of PromQL cells, Apache-2.0. Holds @prometheus-io/lezer-promql
 * ${version}, Apache-2.0 (LICENSE.lezer-promql), and @lezer/lr, MIT (LICENSE.lezer-lr).
 * Built from promlab/labextension/src: do not edit. */
(() => {
  let scope;
  const shared = ${JSON.stringify(shared)};
  const newest = (versions) =>
    Object.keys(versions).sort((a, b) => a.localeCompare(b, undefined, { numeric: true })).pop();
  const load = async (name) => {
    const versions = scope[name];
    if (!versions) throw new Error('promlab: JupyterLab does not share ' + name);
    return (await versions[newest(versions)].get())();
  };
  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB.promlab = {
    init(given) { scope = given; },
    async get() {
      const found = Object.fromEntries(
        await Promise.all(shared.map(async (name) => [name, await load(name)])));
      const module = { exports: {} };
      (function (require, module, exports) {
${packed.outputFiles[0].text}
      })((name) => found[name], module, module.exports);
      return () => module.exports;
    },
  };
})();
`;

mkdirSync(new URL('static/', dist), { recursive: true });
writeFileSync(new URL('static/remoteEntry.js', dist), module);
const manifest = {
  name: 'promlab',
  version: '0.1.0',
  description: 'PromQL colours in %%promql cells',
  license: 'Apache-2.0',
  jupyterlab: { extension: true, _build: { load: 'static/remoteEntry.js', extension: './extension' } },
};
writeFileSync(new URL('package.json', dist), `${JSON.stringify(manifest, null, 2)}\n`);
const licences = { 'lezer-promql': grammar, 'lezer-lr': new URL('node_modules/@lezer/lr/', import.meta.url) };
for (const [name, from] of Object.entries(licences)) {
  writeFileSync(new URL(`LICENSE.${name}`, dist), readFileSync(new URL('LICENSE', from)));
}
