/**
 * The join block of an online meeting, written by Outlook into the body of the event, with links and a passcode. It is not part of
 * the event's text, and writing a body without it removes the online meeting (Microsoft:
 * event-update). Pure.
 */
import { entities } from './text.ts';

/** Graph's data about an event's online meeting. */
export interface OnlineMeeting {
  readonly isOnline: boolean;
  readonly joinUrl: string | null;
}

/** Hosts of Teams, also inside a "safe" link. */
const joinLink =
  /https:\/\/(?:[\w-]+\.)*teams\.(?:microsoft\.(?:com|us)|live\.com)\/(?:l\/meetup-join|meet)\//i;
const heading = /microsoft teams|meeting id\b|passcode\b|join .{0,40}meeting/i;
/** A rule across the page; Teams draws one above the block, one of the same length below it, and shorter ones between. */
const rule = /^[_\-─━—=]{10,}$/;
const longestHead = 15;

/** The text of a body without the block. */
export function withoutJoinBlock(text: string, meeting: OnlineMeeting): string {
  if (!meeting.isOnline && !joinLink.test(decoded(text))) return text;
  const lines = text.split(/\r\n?|\n/);
  const block = findBlock(lines, meeting);
  return block === null ? text : [...lines.slice(0, block.from), ...lines.slice(block.to + 1)].join('\n');
}

/** The body of a PATCH with `text` and the join block of the current body; null: that has none. */
export function withJoinBlock(html: string, text: string, meeting: OnlineMeeting): string | null {
  const lines = linesOf(html);
  const block = findBlock(
    lines.map((line) => line.text),
    meeting,
  );
  if (block === null) return null;
  const [from, to] = [lines[block.from]!, lines[block.to]!];
  const kept =
    from.open.map(({ tag }) => tag).join('') +
    html.slice(from.start, to.end) +
    to.openAfter
      .toReversed()
      .map(({ name }) => `</${name}>`)
      .join('');
  const own = text === '' ? '' : `<div>${htmlOf(text)}</div>\r\n<br>\r\n`;
  return `<html><body>\r\n${own}${kept}\r\n</body></html>`;
}

const htmlOf = (text: string) =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll(/^ | (?= )/gm, '&nbsp;')
    .replaceAll('\n', '<br>\r\n');

/** First and last line of the block; without an end mark it extends to the end of the text. */
function findBlock(
  lines: readonly string[],
  { isOnline, joinUrl }: OnlineMeeting,
): { readonly from: number; readonly to: number } | null {
  const hasLink = (line: string) =>
    (joinUrl !== null && line.includes(joinUrl)) || joinLink.test(decoded(line));
  let join = lines.findIndex(hasLink);
  if (join === -1 && isOnline) join = lines.findIndex((line) => heading.test(line));
  if (join === -1) return null;
  const above = lines.slice(Math.max(0, join - longestHead), join);
  const first = join - above.length;
  const opening = above.findLastIndex(isRule);
  // a typed link is not a block
  if (opening === -1 && !isOnline) return null;
  const title = above.findIndex((line) => heading.test(line));
  const from = opening !== -1 ? first + opening : title !== -1 ? first + title : join;
  const length = isRule(lines[from]!) ? lines[from]!.trim().length : 0;
  const closing = lines.findIndex(
    (line, at) => at > join && isRule(line) && line.trim().length >= length && length > 0,
  );
  const last = lines.findLastIndex((line, at) => at > join && isRule(line));
  return { from, to: closing !== -1 ? closing : last !== -1 ? last : lines.length - 1 };
}

const isRule = (line: string) => rule.test(line.trim());

function decoded(text: string): string {
  try {
    return text.includes('%') ? decodeURIComponent(text) : text;
  } catch {
    // a broken percent code elsewhere: those of a link are decoded nevertheless
    return text.replaceAll(/%3a/gi, ':').replaceAll(/%2f/gi, '/');
  }
}

interface Open {
  readonly name: string;
  readonly tag: string;
}

/** A line of a body as it is shown, its position in the source, and the elements around it. */
interface Line {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly open: readonly Open[];
  readonly openAfter: readonly Open[];
}

const breaks = /^(?:br|p|div|tr|li|ul|ol|table|tbody|hr|h[1-6])$/;
const voids = /^(?:br|hr|img|meta|link|input|col|wbr)$/;
const longestHtml = 1_000_000;
/** Deeper than any real body; such a body is not analysed. */
const deepest = 300;

/** Links follow their text, as Exchange prints them. Time linear in the length. */
function linesOf(html: string): Line[] {
  const lines: Line[] = [];
  let open: Open[] = [];
  let before: Open[] = [];
  let text = '';
  let start = -1;
  const inside = /<body[^>]*>/i.exec(html);
  const end = (at: number) => {
    if (text.trim() !== '')
      lines.push({ text: unescaped(text), start, end: at, open: before, openAfter: open });
    text = '';
    start = -1;
  };
  const token = /<!--(?:(?!<!--)[\s\S])*?-->|<(\/?)([a-z][\w:-]*)([^<>]*)>|[^<]+|</gi;
  token.lastIndex = inside === null ? 0 : inside.index + inside[0].length;
  for (let found = token.exec(html); found !== null && found.index < longestHtml; found = token.exec(html)) {
    const [whole, slash, tagName, attributes = ''] = found;
    const name = tagName?.toLowerCase();
    if (name === 'body' || name === 'html') break;
    if (name !== undefined && breaks.test(name)) end(found.index);
    if (name === undefined ? whole.trim() !== '' : name === 'hr' || name === 'a') {
      if (start === -1) [start, before] = [found.index, open];
    }
    if (name === undefined) text += whole.startsWith('<!--') ? '' : whole;
    else if (name === 'hr') {
      text = '_'.repeat(32);
      end(found.index + whole.length);
    } else if (name === 'a' && slash === '')
      text += ` ${/href\s*=\s*["']?([^"'\s>]+)/i.exec(attributes)?.[1] ?? ''} `;
    if (name === undefined || voids.test(name)) continue;
    if (open.length > deepest) return [];
    if (slash === '') open = [...open, { name, tag: whole }];
    else {
      const at = open.findLastIndex((one) => one.name === name);
      if (at !== -1) open = open.slice(0, at);
    }
  }
  end(Math.min(token.lastIndex === 0 ? html.length : token.lastIndex, html.length));
  return lines;
}

const unescaped = (text: string) =>
  text.replaceAll(/&(\w{1,6});/g, (whole, name: string) => entities[name.toLowerCase()] ?? whole).trim();
