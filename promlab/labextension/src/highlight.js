// PromQL colours in `%%promql` cells of JupyterLab 4 and Notebook 7.
//
// A cell whose first line is the magic gets a language that leaves that line alone and gives
// the rest to the PromQL grammar of the Prometheus authors; every other cell is not touched.
// Completion and help come from the kernel, not from here.

import { Language, defineLanguageFacet, languageDataProp } from '@codemirror/language';
import { Compartment, Prec } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { EditorExtensionRegistry, IEditorExtensionRegistry } from '@jupyterlab/codemirror';
import { NodeType, Parser, Tree } from '@lezer/common';
import { parser } from '@prometheus-io/lezer-promql';

const MAGIC = /^%%promql\b/;
const MAX_FIRST_LINE = 10_000;

const data = defineLanguageFacet({ commentTokens: { line: '#' } });
const promql = parser.configure({ top: 'PromQL' });
const top = NodeType.define({ id: 0, name: 'PromQLCell', top: true, props: [[languageDataProp, data]] });

/** Parses what follows the first line; the line itself stays plain. */
class CellParser extends Parser {
  createParse(input, fragments, ranges) {
    const head = input.read(0, Math.min(input.length, MAX_FIRST_LINE));
    const lineEnd = head.indexOf('\n');
    const from = lineEnd < 0 ? input.length : lineEnd + 1;
    const end = ranges[ranges.length - 1].to;
    const inner = from < end ? promql.startParse(input, [], [{ from, to: end }]) : null;
    return {
      get parsedPos() {
        return inner ? inner.parsedPos : end;
      },
      get stoppedAt() {
        return inner ? inner.stoppedAt : null;
      },
      stopAt(position) {
        inner?.stopAt(position);
      },
      advance() {
        if (!inner) return new Tree(top, [], [], end);
        const tree = inner.advance();
        return tree && new Tree(top, [tree], [from], end);
      },
    };
  }
}

const language = new Language(data, new CellParser(), [], 'promql-cell');

/** An extension that switches the language on and off as the first line changes. */
function highlightCells() {
  const slot = new Compartment();
  const coloured = Prec.highest(language.extension);
  const plain = [];
  const wanted = (state) => (MAGIC.test(state.doc.line(1).text) ? coloured : plain);
  const follow = (view) => {
    const want = wanted(view.state);
    if (slot.get(view.state) === want) return;
    // A view must not be changed while it is being updated.
    queueMicrotask(() => view.dispatch({ effects: slot.reconfigure(want) }));
  };
  return [slot.of(plain), EditorView.updateListener.of((update) => follow(update.view))];
}

export default {
  id: 'promlab:highlight',
  description: 'PromQL colours in %%promql cells',
  autoStart: true,
  requires: [IEditorExtensionRegistry],
  activate: (_, registry) => {
    registry.addExtension({
      name: 'promlab-highlight',
      default: null,
      factory: () => EditorExtensionRegistry.createImmutableExtension(highlightCells()),
    });
  },
};
