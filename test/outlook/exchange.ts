/** What Exchange makes of an event that is written to it, as far as it is known (see graph-facts in docs, and below). */
import type { GraphEventBody } from '../../src/outlook/format.ts';
import { createZone } from '../../src/outlook/zone.ts';
import windowsIana from 'windows-iana';

/** An event as Graph answers it (Microsoft: user-post-events), with some members of one's own. */
export function answeredEvent(members: object): Record<string, unknown> {
  return {
    '@odata.etag': 'W/"ZlnW4RIAV06KYYwlrfNZvQAALfZeRQ=="',
    id: 'AAMkAGI1AAAt9AHjAAA=',
    createdDateTime: new Date().toISOString(),
    lastModifiedDateTime: new Date().toISOString(),
    iCalUId: '040000008200E0',
    subject: 'A meeting',
    sensitivity: 'normal',
    isAllDay: false,
    isCancelled: false,
    isOrganizer: true,
    showAs: 'busy',
    type: 'singleInstance',
    seriesMasterId: null,
    responseStatus: { response: 'organizer', time: '0001-01-01T00:00:00Z' },
    body: { contentType: 'text', content: '' },
    start: { dateTime: '2026-06-01T08:00:00.0000000', timeZone: 'UTC' },
    end: { dateTime: '2026-06-01T09:00:00.0000000', timeZone: 'UTC' },
    organizer: { emailAddress: { name: 'Hall', address: 'hall@example.org' } },
    ...members,
  };
}

/**
 * Times in UTC with seven digits, a trimmed subject of at most 255 units, no control characters, CRLF and a line break
 * at the end; `asHtml`: the body in an HTML shell, as where the Prefer header is not honoured. Marks are not echoed.
 */
export function whatExchangeMakesOf(event: GraphEventBody, asHtml: boolean): Record<string, unknown> {
  const { transactionId: _, singleValueExtendedProperties: __, ...plain } = event;
  const text = printable(event.body?.content ?? '').replace(/\r\n|\r|\n/g, '\r\n');
  return answeredEvent({
    ...plain,
    subject: printable(event.subject ?? '')
      .replace(/[\r\n\t]+/g, ' ')
      .trim()
      .slice(0, 255),
    body: asHtml
      ? { contentType: 'html', content: shell(text) }
      : { contentType: 'text', content: text === '' ? '' : `${text}\r\n` },
    start: inUtc(event.start, event.isAllDay === true),
    end: inUtc(event.end, event.isAllDay === true),
  });
}

const printable = (text: string) => text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '');

const shell = (text: string) =>
  `<html><head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head><body>\r\n<div class="PlainText">${text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r\n', '<br>\r\n')}</div>\r\n</body></html>\r\n`;

function inUtc(time: GraphEventBody['start'], allDay: boolean) {
  const { dateTime, timeZone } = time!;
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/.test(dateTime)) throw new Error(`'${dateTime}' is no local time`);
  if (allDay) {
    if (!dateTime.endsWith('T00:00:00')) throw new Error('an all-day event starts and ends at midnight');
    return { dateTime: `${dateTime}.0000000`, timeZone: 'UTC' };
  }
  const [iana] = windowsIana.findIana(timeZone);
  if (iana === undefined) throw new Error(`'${timeZone}' is no Windows zone`);
  const at = new Date(createZone(iana).instantOf(dateTime)).toISOString().slice(0, 19);
  return { dateTime: `${at}.0000000`, timeZone: 'UTC' };
}
