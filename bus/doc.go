// Package bus keeps batches of raw records in a durable log that can be read
// again from any point: NATS JetStream, run inside this process by default.
//
// A partition is one JetStream stream, SCANTLING_LOG_0 and on. A batch goes to
// the partition that the FNV-1a hash (64 bits) of its Key, or else of its
// Stream, gives modulo their number, so what has one key keeps its order. The
// number is fixed when the log is created.
//
// # Promises
//
// Append returns nil when every batch is in a file that was synced since.
// Batches that wait at the same time share one message and one sync. A batch
// whose ID the partition has among its newest 16,384 parts of batches is
// acknowledged and not kept again. After a start this memory is read back from
// the newest 64 MiB of the partition. Each message is published under the
// condition that it follows the last one that its writer knows, so two writers
// of one cluster, or an answer that got lost, put nothing there twice.
//
// The server inside has no listening socket. Its setting sync_interval: always
// is read back from the running server; Open fails where it is off. Of an
// outside cluster every server is asked, for which credentials of its system
// account are needed.
//
// What retention took, and messages that can't be decoded, are told to readers
// as a Loss, and reading goes on.
//
// # Form of a message
//
// All numbers are unsigned varints unless said otherwise.
//
//	"SCL" 0x01                    magic and version
//	crc                           4 bytes, little-endian: CRC-32C of all that follows it, the records uncompressed
//	before                        records that the partition took before this message
//	count                         of batches, 1 to 4,096
//	count times:
//	  id, kind, stream, key       each a length and bytes
//	  part                        0, or which piece of a batch too large for one message
//	  index                       of the first record
//	  received                    signed varint: nanoseconds since 1970, or the smallest int64 for none
//	  records                     how many
//	  records times: length       of each record
//	compression                   1 byte: 0 none, 1 S2 block
//	the rest                      the records, one after the other
//
// The sequence of the nth batch (from 0) of the message with JetStream's
// sequence m is (m-1)*4096 + n + 1: sequences begin with 1, rise, and have
// gaps.
//
// # Limits
//
// One message holds at most 1 MiB of records uncompressed, or one record of up
// to 6 MiB (in a cluster: half its max_payload, or one record of up to that less
// 32 KiB); a larger record is ErrTooLarge. A larger batch is cut into parts, which are batches with the same ID and a higher
// Index: a reader sees each part by itself. A batch without ID whose Append
// failed may be there nevertheless.
//
// Age counts from the append. A stream of JetStream takes nothing more once a
// write failed, as on a full disk: Append fails with ErrWrite, and the server
// inside is started anew for the next one; reading may fail meanwhile. A
// cluster's own servers have to be started anew by whoever runs them. A stream
// is in one partition, so one alone has its share of MaxBytes. The name of a new file of its reaches
// the disk with the file's own sync, as ext4, XFS and btrfs do it, though POSIX
// demands no such thing. A cluster that lost a server may give no answer for some
// ten seconds: Append fails meanwhile, and Read returns an error when it has no
// consumer for that long; both are to be tried again. On other systems than
// Linux, a sync is what their fsync does. In a cluster of several replicas the servers sync the log of
// their consensus, and write the stream's own files from it.
package bus
