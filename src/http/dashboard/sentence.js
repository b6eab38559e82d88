/**
 * The sentence at the top with further problems below it, and a version for screen readers, which is announced again only
 * when its text changes, not each second.
 * @import { Known } from './shapes.ts'
 */
import { byId, fill, h, setText } from './dom.js';
import { say } from './language.js';
import { verdict } from './verdict.js';

/** @param {Known} known */
export function showSentence(known) {
  const { state, text, detail, spoken, also } = verdict(known, Date.now());
  byId('verdict', HTMLElement).dataset['state'] = state;
  setText(byId('sentence', HTMLHeadingElement), text);
  setText(byId('detail', HTMLParagraphElement), detail);
  setText(byId('spoken', HTMLParagraphElement), spoken ?? text);
  document.title =
    state === 'good'
      ? `${say('title.equal')} – ${say('title')}`
      : `${text.replace(/[\u2068\u2069]/g, '').slice(0, 60)} – ${say('title')}`;
  byId('signin', HTMLAnchorElement).hidden = known.trouble?.kind !== 'signed-out';
  // the rest of the page is from the last answer
  byId('content', HTMLElement).toggleAttribute('data-stale', known.trouble !== null);
  const list = byId('also', HTMLUListElement);
  const texts = also.map((finding) => finding.text).join('\n');
  if (list.dataset['shown'] === texts) return;
  list.dataset['shown'] = texts;
  fill(
    list,
    ...also.map((one) =>
      h('li', { 'data-state': one.state }, h('span', { class: 'dot' }), h('span', {}, one.text)),
    ),
  );
}
