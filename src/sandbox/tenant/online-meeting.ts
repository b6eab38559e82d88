import type { TenantCore } from './core.ts';
import type { EventFields } from './event-model.ts';
import type { Mailbox } from './mailbox.ts';

const rule = '_'.repeat(80);

/** As Teams writes it into a body. */
const blockOf = (joinUrl: string) => `
<div style="width:100%"><span style="white-space:nowrap; opacity:.36">${rule}</span></div>
<div class="me-email-text" lang="en-US"><div><span style="font-size:24px">Microsoft Teams meeting</span></div>
<div><span>Join on your computer, mobile app or room device</span></div>
<a class="me-email-headline" href="${joinUrl}" target="_blank">Click here to join the meeting</a>
<div><span>Meeting ID: </span><span>374 219 480 71</span><br>Passcode: fX3kQ9</div>
<div>${'_'.repeat(32)}</div>
<div>For organizers: <a href="https://teams.microsoft.com/meetingOptions/?id=1">Meeting options</a></div></div>
<div style="width:100%"><span style="white-space:nowrap; opacity:.36">${rule}</span></div>`;

/**
 * The online meeting of a written event: created on request, with its block at the end of the
 * body; ended by a body without its link (Microsoft: event-update).
 */
export function withOnlineMeeting(
  { faults, random }: TenantCore,
  mailbox: Mailbox,
  before: Pick<EventFields, 'isOnlineMeeting'> | null,
  fields: EventFields,
): EventFields {
  if (fields.joinUrl !== null)
    return fields.bodyHtml.includes(fields.joinUrl) ? fields : { ...fields, joinUrl: null };
  const isNew = fields.isOnlineMeeting && before?.isOnlineMeeting !== true;
  if (!isNew || !faults.switchesFor(mailbox.id).onlineMeetings) return fields;
  const joinUrl = `https://teams.microsoft.com/l/meetup-join/19%3ameeting_${random.guid()}%40thread.v2/0`;
  return {
    ...fields,
    joinUrl,
    onlineMeetingProvider: 'teamsForBusiness',
    bodyHtml: fields.bodyHtml + blockOf(joinUrl).replaceAll('\n', '\r\n'),
  };
}
