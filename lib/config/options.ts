/**
 * The typed options of the engines outside TLS: one field per parameter, named after it.
 *
 * The prefix `smtpd_` or `smtp_` goes, the rest becomes camel case: `smtpd_recipient_limit` is `recipientLimit`; the
 * TLS parameters are the fields of `tls`. Times are milliseconds, sizes are bytes. The classes add their callbacks.
 */
import type {
  ResolvedSmtpdTls,
  ResolvedSmtpTls,
  SmtpdTlsOptions,
  SmtpTlsOptions,
} from '../tls/options.js';

export type {
  Loglevel,
  SmtpdTlsOptions,
  SmtpTlsOptions,
  TlsLibraryOptions,
} from '../tls/options.js';

/** Parameters of the smtpd engine outside `tls`; the class adds its callbacks. */
export interface SmtpdParameters {
  /** `myhostname`: the name in greeting, replies and Received: headers; default: the machine's. */
  readonly myhostname?: string;
  readonly tls?: SmtpdTlsOptions;
  /** `mail_name`: name of the software in greeting and Received: headers. */
  readonly mailName?: string;
  /** `smtpd_banner`: text after `220`; begins with the name of the host. */
  readonly banner?: string;
  /** `smtpd_timeout`: milliseconds for each read or write. */
  readonly timeout?: number;
  /** `smtpd_starttls_timeout`: milliseconds for each wait of a handshake or TLS shutdown. */
  readonly starttlsTimeout?: number;
  /** `message_size_limit`: bytes; 0 is no limit. */
  readonly messageSizeLimit?: number;
  /** `smtpd_recipient_limit`: recipients of one message. */
  readonly recipientLimit?: number;
  /** `line_length_limit`: longest command line in bytes. */
  readonly lineLengthLimit?: number;
}

/** Parameters of the smtp engine outside `tls`; the class adds the rest. */
export interface SmtpParameters {
  /** `myhostname`: the name sent with EHLO; default: the machine's. */
  readonly myhostname?: string;
  readonly tls?: SmtpTlsOptions;
  /** `smtp_helo_name`: the name sent with EHLO where it differs from `myhostname`. */
  readonly heloName?: string;
  /** `smtp_bind_address`: source address of connections; empty leaves it to the system. */
  readonly bindAddress?: string;
  /** `smtp_connect_timeout`: milliseconds; 0 leaves it to the system. */
  readonly connectTimeout?: number;
  /** `smtp_helo_timeout`: milliseconds for greeting and EHLO reply. */
  readonly heloTimeout?: number;
  /** `smtp_starttls_timeout`: milliseconds for the STARTTLS reply and each wait of the handshake. */
  readonly starttlsTimeout?: number;
  /** `smtp_mail_timeout`: milliseconds for the MAIL FROM reply. */
  readonly mailTimeout?: number;
  /** `smtp_rcpt_timeout`: milliseconds for a RCPT TO reply. */
  readonly rcptTimeout?: number;
  /** `smtp_data_init_timeout`: milliseconds for the DATA reply. */
  readonly dataInitTimeout?: number;
  /** `smtp_data_xfer_timeout`: milliseconds for sending content. */
  readonly dataXferTimeout?: number;
  /** `smtp_data_done_timeout`: milliseconds for the reply at the end of content. */
  readonly dataDoneTimeout?: number;
  /** `smtp_rset_timeout`: milliseconds for the RSET reply. */
  readonly rsetTimeout?: number;
  /** `smtp_quit_timeout`: milliseconds for the QUIT reply. */
  readonly quitTimeout?: number;
  /** `smtp_line_length_limit`: longest line of content before it is broken; 0 is no limit. */
  readonly lineLengthLimit?: number;
  /** `minimal_backoff_time`: milliseconds that a message must have waited before level `may` falls back to plaintext. */
  readonly minimalBackoffTime?: number;
  /** `smtp_log_tls_feature_status`: the `tls=` field of the delivery record. */
  readonly logTlsFeatureStatus?: boolean;
}

/** {@link SmtpdParameters} with every default filled in. */
export type ResolvedSmtpd = Required<Omit<SmtpdParameters, 'tls'>> & {
  readonly tls: ResolvedSmtpdTls;
};

/** {@link SmtpParameters} with every default filled in. */
export type ResolvedSmtp = Required<Omit<SmtpParameters, 'tls'>> & {
  readonly tls: ResolvedSmtpTls;
};
