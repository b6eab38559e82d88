/** How long the app's credential lasts, as far as it can be known from here: a certificate says so, a secret does not. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { GraphConfig } from '../config.ts';
import { readCertificate } from './auth.ts';

/** The end of the certificate in use, read anew each time; null for a secret, or when the file cannot be used. */
export function credentialEnds({ credential }: Pick<GraphConfig, 'credential'>): Date | null {
  if ('secret' in credential) return null;
  try {
    const { x5c } = readCertificate(readFileSync(credential.certificateFile, 'utf8'));
    return new Date(new X509Certificate(x5c).validTo);
  } catch {
    // the request for a token says what is wrong with it
    return null;
  }
}
