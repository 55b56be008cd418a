/** The lookup tables of an smtpd's parameters: opened with the first listener with TLS, read anew, closed. */
import type { ResolvedSmtpd } from '../config/options.js';
import type { Logger } from '../log/logger.js';
import { PeerLoglevels } from '../log/loglevel-maps.js';
import { TableList } from '../maps/table-list.js';

export class SmtpdTables {
  readonly relayClientcerts: TableList;
  readonly loglevels: PeerLoglevels;

  constructor({ relayClientcerts, tls }: ResolvedSmtpd, logger: Logger) {
    this.relayClientcerts = new TableList({
      parameter: 'relay_clientcerts',
      specs: relayClientcerts,
      logger,
    });
    this.loglevels = new PeerLoglevels({
      parameter: 'smtpd_tls_loglevel_maps',
      specs: tls.loglevelMaps,
      logger,
    });
  }

  /** @throws TlsError (rejects) `LOOKUP_TABLE` */
  async open(): Promise<void> {
    await this.relayClientcerts.open();
    await this.loglevels.open();
  }

  /** Each by itself. @throws TlsError (rejects) `LOOKUP_TABLE`: of the first that could not be read */
  async reload(): Promise<void> {
    const outcomes = await Promise.allSettled([
      this.relayClientcerts.reload(),
      this.loglevels.reload(),
    ]);
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure !== undefined) {
      throw failure.reason;
    }
  }

  close(): void {
    this.relayClientcerts.close();
    this.loglevels.close();
  }
}
