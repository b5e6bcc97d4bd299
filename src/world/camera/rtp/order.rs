//! Puts packets in the order of their numbers and counts the missing ones.
//!
//! Numbers may start anywhere: what RTP-Info promises is wrong on too many cameras. It holds back
//! only a fixed number of packets and knows no time.

use super::Packet;

/// A packet this far behind is late; further behind, the sender has begun to number anew.
const LATE_MAX: u16 = 512;
/// A gap larger than this is no loss, but a sender that numbers anew.
const GAP_MAX: u16 = 4096;

/// A gap is not waited for any longer when later packets are younger by this part of a second
/// (50 ms): nothing is overtaken by so much, and a small stream would stand still.
const WAIT_PARTS: u32 = 20;

/// Orders the packets of one source.
#[derive(Debug)]
pub struct Order {
    // How many packets may wait for an earlier one; 0 over TCP, where none can be overtaken.
    depth: usize,
    // In ticks of the track's clock.
    wait: u32,
    expected: Option<(u32, u16)>,
    held: Vec<Packet>,
}

impl Order {
    /// Holds back at most `depth` packets, whose timestamps count `hz` ticks a second.
    pub fn new(depth: usize, hz: u32) -> Self {
        Self { depth, wait: hz / WAIT_PARTS, expected: None, held: Vec::new() }
    }

    /// Takes a packet in.
    pub fn push(&mut self, packet: Packet) {
        let Some((source, next)) = self.expected else {
            self.expected = Some((packet.source, packet.sequence));
            self.held.push(packet);
            return;
        };
        let ahead = packet.sequence.wrapping_sub(next);
        let late = ahead > u16::MAX - LATE_MAX;
        if packet.source != source || (ahead > GAP_MAX && !late) {
            // The one before is set so that the change itself counts as a loss: a picture must not
            // be put together across it.
            self.expected = Some((packet.source, packet.sequence.wrapping_sub(1)));
            self.held.clear();
            self.held.push(packet);
        } else if !late && self.held.iter().all(|held| held.sequence != packet.sequence) {
            self.held.push(packet);
        }
    }

    /// The next packet and how many are missing before it, if it need not wait.
    pub fn pop(&mut self) -> Option<(Packet, u16)> {
        let (source, next) = self.expected?;
        let (index, lost) = self
            .held
            .iter()
            .enumerate()
            .map(|(index, packet)| (index, packet.sequence.wrapping_sub(next)))
            .min_by_key(|(_, ahead)| *ahead)?;
        if lost > 0 && self.held.len() <= self.depth && !self.is_overdue() {
            return None;
        }
        let packet = self.held.swap_remove(index);
        self.expected = Some((source, packet.sequence.wrapping_add(1)));
        Some((packet, lost))
    }

    fn is_overdue(&self) -> bool {
        let Some(first) = self.held.first() else { return false };
        // Timestamps wrap; their difference is small either way.
        self.held.iter().any(|packet| {
            let ticks = packet.timestamp.wrapping_sub(first.timestamp).cast_signed();
            ticks.unsigned_abs() > self.wait
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn packet(source: u32, sequence: u16) -> Packet {
        let payload = Bytes::new();
        Packet { marker: false, payload_type: 96, sequence, timestamp: 0, source, payload }
    }

    fn run(depth: usize, numbers: &[u16]) -> Vec<(u16, u16)> {
        let mut order = Order::new(depth, 90_000);
        let mut out = Vec::new();
        for number in numbers {
            order.push(packet(1, *number));
            while let Some((packet, lost)) = order.pop() {
                out.push((packet.sequence, lost));
            }
        }
        out
    }

    #[test]
    fn numbers_may_start_anywhere_and_wrap() {
        assert_eq!(run(0, &[65534, 65535, 0, 1]), [(65534, 0), (65535, 0), (0, 0), (1, 0)]);
    }

    #[test]
    fn a_gap_is_counted_and_a_late_packet_dropped() {
        assert_eq!(run(0, &[10, 13, 12, 14]), [(10, 0), (13, 2), (14, 0)]);
    }

    #[test]
    fn overtaken_packets_are_put_back_in_order() {
        assert_eq!(run(4, &[1, 3, 2, 3, 4]), [(1, 0), (2, 0), (3, 0), (4, 0)]);
        assert_eq!(run(2, &[1, 3, 4, 5]), [(1, 0), (3, 1), (4, 0), (5, 0)]);
    }

    #[test]
    fn a_gap_is_not_waited_for_once_the_next_picture_comes() {
        let mut order = Order::new(32, 90_000);
        order.push(packet(1, 1));
        assert!(order.pop().is_some());
        order.push(Packet { timestamp: u32::MAX, ..packet(1, 3) });
        assert!(order.pop().is_none());
        order.push(Packet { timestamp: 8_999, ..packet(1, 4) });
        let numbers = std::iter::from_fn(|| order.pop()).map(|(p, lost)| (p.sequence, lost));
        assert_eq!(numbers.collect::<Vec<_>>(), [(3, 1), (4, 0)]);
    }

    #[test]
    fn a_sender_that_numbers_anew_counts_as_a_loss() {
        assert_eq!(run(4, &[100, 101, 40000, 40001]), [(100, 0), (101, 0)]);
        assert_eq!(run(0, &[100, 101, 40000, 40001])[2..], [(40000, 1), (40001, 0)]);
        let mut order = Order::new(0, 90_000);
        order.push(packet(1, 5));
        assert!(order.pop().is_some());
        order.push(packet(2, 6));
        assert_eq!(order.pop().map(|(packet, lost)| (packet.source, lost)), Some((2, 1)));
    }
}
