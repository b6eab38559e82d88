/** Texts as Exchange rewrites them: CRLF, an HTML shell, a trailing line break, no control characters. */

const HEAD =
  '<html><head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head><body>\r\n';
const FOOT = '\r\n</body></html>\r\n';
const PLAIN_OPEN = '<font size="2"><span style="font-size:11pt"><div class="PlainText">';
const PLAIN_CLOSE = '</div></span></font>';

/** Control characters XML cannot carry; Exchange drops them. */
const UNPRINTABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g;

const LONGEST_SUBJECT = 255;
const LONGEST_PREVIEW = 255;

/** One line, trimmed, at most 255 characters. */
export const storedSubject = (subject: string) =>
  subject
    .replace(/[\r\n\t]+/g, ' ')
    .replace(UNPRINTABLE, '')
    .trim()
    .slice(0, LONGEST_SUBJECT);

const crlf = (text: string) => text.replace(/\r\n|\r|\n/g, '\r\n').replace(UNPRINTABLE, '');

/** The stored part of a body: the content of `<body>`, without scripts. */
export function storedBody(contentType: string, content: string): string {
  if (content === '') return '';
  if (contentType === 'text') {
    return PLAIN_OPEN + escapeHtml(crlf(content)).replaceAll('\r\n', '<br>\r\n') + PLAIN_CLOSE;
  }
  const inside = /<body[^>]*>([\s\S]*?)(?:<\/body>|$)/i.exec(content)?.[1] ?? content;
  return crlf(inside)
    .replace(/<(script|head|title)\b[\s\S]*?<\/\1\s*>/gi, '')
    .replace(/<\/?html[^>]*>|<!doctype[^>]*>/gi, '')
    .trim();
}

export const bodyAsHtml = (bodyHtml: string) => (bodyHtml === '' ? '' : HEAD + bodyHtml + FOOT);

/** With the line break Exchange ends every plain text with. */
export function bodyAsText(bodyHtml: string): string {
  const text = plain(bodyHtml);
  return text === '' ? '' : `${text}\r\n`;
}

export const bodyPreview = (bodyHtml: string) => plain(bodyHtml).slice(0, LONGEST_PREVIEW);

function plain(bodyHtml: string): string {
  if (bodyHtml === '') return '';
  const lines = bodyHtml
    .replace(/<style\b[\s\S]*?<\/style\s*>/gi, '')
    .replace(/>\r\n/g, '>')
    .replace(/\r\n/g, ' ')
    .replace(/<a\b[^>]*\bhref="([^"]*)"[^>]*>([\s\S]*?)<\/a\s*>/gi, (_, href, shown) =>
      href === shown ? shown : `${shown}&lt;${href}&gt;`,
    )
    .replace(/<br\s*\/?>/gi, '\r\n')
    .replace(/<\/(?:p|div|tr|li|h[1-6])\s*>/gi, '\r\n')
    .replace(/<[^>]*>/g, '');
  return unescapeHtml(lines).replace(/(?:\r\n)+$/, '');
}

const escapeHtml = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const NAMED: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: '\u00a0',
};

const unescapeHtml = (text: string) =>
  text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name) return NAMED[String(name).toLowerCase()] ?? whole;
    const point = hex ? parseInt(String(hex), 16) : Number(decimal);
    return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : '';
  });
