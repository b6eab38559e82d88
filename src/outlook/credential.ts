/** The expiry of the app's credential, which is known for a certificate but not for a secret. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { GraphConfig } from '../config.ts';
import { readCertificate } from './auth.ts';

/** The expiry of the current certificate, read each time; null for a secret, or if the file cannot be used. */
export function credentialEnds({ credential }: Pick<GraphConfig, 'credential'>): Date | null {
  if ('secret' in credential) return null;
  try {
    const { x5c } = readCertificate(readFileSync(credential.certificateFile, 'utf8'));
    return new Date(new X509Certificate(x5c).validTo);
  } catch {
    // the token request reports the problem
    return null;
  }
}
