// The expression editor of the query page: colours, completion and lint for PromQL.
//
// It lives in a shadow root: there CodeMirror can style itself without the page's policy having
// to allow inline styles.

import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, insertNewlineAndIndent } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { lintKeymap } from '@codemirror/lint';
import { EditorState, Prec } from '@codemirror/state';
import { EditorView, keymap, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { PromQLExtension } from '@prometheus-io/codemirror-promql';

const look = EditorView.theme({
  '&': { fontSize: '15px', color: 'CanvasText', backgroundColor: 'Field', border: '1px solid #8886', borderRadius: '4px' },
  '&.cm-focused': { outline: '2px solid #3b6fb6' },
  '.cm-content': { fontFamily: 'ui-monospace, monospace', padding: '.5em 0', caretColor: 'CanvasText' },
  '.cm-tooltip': { backgroundColor: 'Canvas', color: 'CanvasText', border: '1px solid #8886' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'ui-monospace, monospace', maxHeight: '20em' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: '#3b6fb6', color: 'white' },
  '.cm-completionDetail': { opacity: '.7', marginLeft: '1em' },
});
const colours = HighlightStyle.define([
  { tag: tags.keyword, color: 'light-dark(#0b5394, #8ab4f8)' },
  { tag: [tags.function(tags.variableName), tags.special(tags.brace)], color: 'light-dark(#7b3294, #d7a9f0)' },
  { tag: tags.labelName, color: 'light-dark(#8b3a00, #f2b272)' },
  { tag: tags.string, color: 'light-dark(#1b6e2c, #8fd19e)' },
  { tag: tags.number, color: 'light-dark(#8c1d40, #f59fb4)' },
  { tag: tags.comment, color: '#888', fontStyle: 'italic' },
  { tag: tags.operator, color: 'light-dark(#444, #ccc)' },
  { tag: tags.invalid, color: 'light-dark(#c0392b, #ff8a80)' },
]);

// An editor in `host`; `run` is called on Enter. Gives `{ text(), insert(text), focus() }`.
export function promqlEditor(host, { text = '', label = '', run, history: past = [] }) {
  const root = host.attachShadow({ mode: 'open' });
  const promql = new PromQLExtension()
    .activateCompletion(true)
    .activateLinter(true)
    .setComplete({ remote: { url: new URL('.', location.href).href.replace(/\/$/, ''), queryHistory: past } });
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        look,
        syntaxHighlighting(colours),
        history(),
        bracketMatching(),
        closeBrackets(),
        autocompletion(),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ 'aria-label': label }),
        placeholder('Expression: Enter runs it, Shift-Enter makes a new line'),
        promql.asExtension(),
        keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...lintKeymap, ...defaultKeymap]),
        Prec.high(keymap.of([
          { key: 'Enter', run: () => { run(); return true; } },
          { key: 'Shift-Enter', run: insertNewlineAndIndent },
        ])),
        Prec.highest(keymap.of(completionKeymap)),
      ],
    }),
  });
  return {
    text: () => view.state.doc.toString(),
    set: (value) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: value } }),
    insert: (value) => view.dispatch(view.state.replaceSelection(value)),
    focus: () => view.focus(),
  };
}
