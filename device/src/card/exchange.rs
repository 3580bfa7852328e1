//! From a command to its whole answer, whatever the card's way of delivering it.

use super::{CardError, CardTransport, malformed};
use crate::apdu::{Command, StatusWord, instruction};

/// Most octets in one answer, all responses together: the longest answer of IoT.05 is a page of
/// 256 octets; the rest is room for cards that chain.
const ANSWER_OCTETS_MAX: usize = 4096;
/// Most round trips for one command.
const ROUNDS_MAX: usize = 64;

/// Sends a command and collects its answer.
///
/// Handled here: `61xx` and `9Fxx` (fetch with GET RESPONSE), `6Cxx` (say again with this Le),
/// `91xx` (success). Returned to the caller as success: `9000`, `6300` (more list data) and `63CF`
/// (objects may have changed).
///
/// # Errors
/// [`CardError::Refused`] with the status word for everything else.
pub(crate) fn exchange(
    transport: &mut dyn CardTransport,
    name: &'static str,
    command: &Command<'_>,
) -> Result<(Vec<u8>, StatusWord), CardError> {
    let mut answer = Vec::new();
    let mut command = *command;
    for _ in 0..ROUNDS_MAX {
        let response = transport.transmit(&command.to_octets()?)?;
        let (data, status) =
            split_response(&response).ok_or(malformed(name, "it has no status word"))?;
        answer.extend_from_slice(data);
        if answer.len() > ANSWER_OCTETS_MAX {
            return Err(malformed(name, "it is longer than any answer"));
        }
        match status.sw1() {
            0x61 | 0x9F => {
                command = Command {
                    class: command.class & 0x03,
                    instruction: instruction::GET_RESPONSE,
                    p1: 0,
                    p2: 0,
                    data: &[],
                    expected_octets: Some(expected(status.sw2())),
                }
            }
            0x6C => command.expected_octets = Some(expected(status.sw2())),
            _ if status.is_success() => return Ok((answer, status)),
            _ => {
                return Err(CardError::Refused {
                    command: name,
                    status,
                });
            }
        }
    }
    Err(malformed(name, "it does not end"))
}

/// Data and status word.
fn split_response(response: &[u8]) -> Option<(&[u8], StatusWord)> {
    let (data, status) = response.split_last_chunk()?;
    Some((data, StatusWord(u16::from_be_bytes(*status))))
}

/// SW2 as a number of octets, 0 standing for 256.
fn expected(sw2: u8) -> u16 {
    if sw2 == 0 { 256 } else { u16::from(sw2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers with prepared responses and keeps what it was sent.
    struct Scripted {
        responses: Vec<Vec<u8>>,
        sent: Vec<Vec<u8>>,
    }

    impl CardTransport for Scripted {
        fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, CardError> {
            self.sent.push(apdu.to_vec());
            Ok(self.responses.remove(0))
        }
    }

    const COMMAND: Command<'static> = Command {
        class: 0x02,
        instruction: instruction::READ_FILE,
        p1: 0,
        p2: 0,
        data: &[0x83, 1, 2],
        expected_octets: None,
    };

    type Answer = Result<(Vec<u8>, StatusWord), CardError>;

    fn run(responses: &[&[u8]]) -> (Answer, Vec<Vec<u8>>) {
        let mut card = Scripted {
            responses: responses.iter().map(|octets| octets.to_vec()).collect(),
            sent: Vec::new(),
        };
        (exchange(&mut card, "READ FILE", &COMMAND), card.sent)
    }

    #[test]
    fn chained_responses_are_put_together() {
        let (answer, sent) = run(&[&[0x61, 0x02], &[1, 2, 0x61, 0x00], &[3, 0x90, 0x00]]);
        assert_eq!(answer.unwrap(), (vec![1, 2, 3], StatusWord::SUCCESS));
        assert_eq!(sent[1], [0x02, 0xC0, 0, 0, 2]);
        assert_eq!(sent[2], [0x02, 0xC0, 0, 0, 0]);
        let (answer, _) = run(&[&[0x9F, 0x01], &[7, 0x90, 0x00]]);
        assert_eq!(answer.unwrap().0, [7]);
    }

    #[test]
    fn a_wrong_expected_length_is_said_again() {
        let (answer, sent) = run(&[&[0x6C, 0x03], &[1, 2, 3, 0x90, 0x00]]);
        assert_eq!(answer.unwrap().0, [1, 2, 3]);
        assert_eq!(sent[1], [0x02, 0xB0, 0, 0, 3, 0x83, 1, 2, 3]);
    }

    #[test]
    fn a_waiting_proactive_command_is_success() {
        let (answer, _) = run(&[&[5, 0x91, 0x1A]]);
        assert_eq!(answer.unwrap().0, [5]);
    }

    #[test]
    fn a_refusal_names_command_and_status() {
        let (answer, _) = run(&[&[0x69, 0x85]]);
        assert_eq!(
            answer.unwrap_err().to_string(),
            "the card refuses READ FILE: 6985 (conditions of use not satisfied)"
        );
    }

    #[test]
    fn endless_and_broken_answers_are_refused() {
        assert!(matches!(run(&[&[]]).0, Err(CardError::Malformed { .. })));
        assert!(matches!(
            run(&[&[0x90]]).0,
            Err(CardError::Malformed { .. })
        ));
        let endless = vec![&[0x61, 0x01][..]; ROUNDS_MAX];
        assert!(matches!(run(&endless).0, Err(CardError::Malformed { .. })));
        let long = [&[0; 256][..], &[0x61, 0x00]].concat();
        let long = vec![long.as_slice(); ROUNDS_MAX];
        assert!(matches!(run(&long).0, Err(CardError::Malformed { .. })));
    }
}
