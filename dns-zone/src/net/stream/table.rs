//! The connections of one thread: a slab with the order in which they may be closed.
//!
//! Idle connections and unfinished handshakes stand in the order in which they became so, the
//! oldest first; idle ones also in one such order for each client. All steps take constant time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::limits::Client;

/// What a connection is doing, as far as closing it is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Before the end of the TLS handshake.
    Handshaking,
    /// Nothing begun and nothing owed.
    Idle,
    /// A message begun, a query waiting, or answers not yet read.
    Busy,
}

/// Names a connection; a name is not used again for another one (within 2^32 of a slot).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Token {
    index: u32,
    generation: u32,
}

impl Token {
    pub(super) fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(super) fn from_u64(number: u64) -> Self {
        Self {
            index: (number & u64::from(u32::MAX)) as u32,
            generation: (number >> 32) as u32,
        }
    }
}

/// Neighbours in an order.
#[derive(Clone, Copy, Debug, Default)]
struct Links {
    before: Option<u32>,
    after: Option<u32>,
}

/// An order: doubly linked through the slots.
#[derive(Clone, Copy, Debug, Default)]
struct Order {
    oldest: Option<u32>,
    newest: Option<u32>,
}

/// Which of a slot's links an order runs through.
#[derive(Clone, Copy, Debug)]
enum Through {
    Class = 0,
    Client = 1,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    links: [Links; 2],
    held: Option<Held<T>>,
}

#[derive(Debug)]
struct Held<T> {
    client: Client,
    class: Class,
    value: T,
}

/// The connections of one thread.
#[derive(Debug)]
pub(super) struct Table<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    classes: [Order; 3],
    idle_of: HashMap<Client, Order>,
}

impl<T> Table<T> {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            classes: [Order::default(); 3],
            idle_of: HashMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Adds a connection, as the newest of its class.
    pub(super) fn insert(&mut self, client: Client, class: Class, value: T) -> Token {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                links: [Links::default(); 2],
                held: None,
            });
            u32::try_from(self.slots.len() - 1).expect("descriptors are counted in an int")
        });
        let slot = &mut self.slots[index as usize];
        slot.held = Some(Held {
            client,
            class,
            value,
        });
        let token = Token {
            index,
            generation: slot.generation,
        };
        self.enter(index, client, class);
        token
    }

    pub(super) fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        self.held_mut(token).map(|held| &mut held.value)
    }

    pub(super) fn class(&self, token: Token) -> Option<Class> {
        let slot = self.slots.get(token.index as usize)?;
        let held = slot.held.as_ref()?;
        (slot.generation == token.generation).then_some(held.class)
    }

    /// Takes a connection out.
    pub(super) fn remove(&mut self, token: Token) -> Option<(Client, T)> {
        let held = self.held_mut(token)?;
        let (client, class) = (held.client, held.class);
        self.leave(token.index, client, class);
        let slot = &mut self.slots[token.index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(token.index);
        slot.held.take().map(|held| (client, held.value))
    }

    /// Says what a connection is doing now. An idle one becomes the newest of the idle ones; others
    /// keep their place as long as they stay in their class.
    pub(super) fn place(&mut self, token: Token, class: Class) {
        let Some(held) = self.held_mut(token) else {
            return;
        };
        let (client, before) = (held.client, held.class);
        if before == class && class != Class::Idle {
            return;
        }
        held.class = class;
        self.leave(token.index, client, before);
        self.enter(token.index, client, class);
    }

    /// The connection that has been in this class for longest.
    pub(super) fn oldest(&self, class: Class) -> Option<Token> {
        self.classes[class as usize]
            .oldest
            .map(|index| self.token(index))
    }

    /// The oldest idle connection of one client.
    pub(super) fn oldest_idle_of(&self, client: Client) -> Option<Token> {
        let order = self.idle_of.get(&client)?;
        order.oldest.map(|index| self.token(index))
    }

    /// The next one of the same class, towards newer ones.
    pub(super) fn newer(&self, token: Token) -> Option<Token> {
        let slot = self.slots.get(token.index as usize)?;
        let next = slot.links[Through::Class as usize].after?;
        Some(self.token(next))
    }

    /// Everybody.
    pub(super) fn tokens(&self) -> Vec<Token> {
        let indexes = (0..).zip(&self.slots);
        let taken = indexes.filter(|(_, slot)| slot.held.is_some());
        taken.map(|(index, _)| self.token(index)).collect()
    }

    fn token(&self, index: u32) -> Token {
        Token {
            index,
            generation: self.slots[index as usize].generation,
        }
    }

    fn held_mut(&mut self, token: Token) -> Option<&mut Held<T>> {
        let slot = self.slots.get_mut(token.index as usize)?;
        if slot.generation == token.generation {
            slot.held.as_mut()
        } else {
            None
        }
    }

    fn enter(&mut self, index: u32, client: Client, class: Class) {
        let order = &mut self.classes[class as usize];
        push_newest(&mut self.slots, order, Through::Class, index);
        if class == Class::Idle {
            let order = self.idle_of.entry(client).or_default();
            push_newest(&mut self.slots, order, Through::Client, index);
        }
    }

    fn leave(&mut self, index: u32, client: Client, class: Class) {
        let order = &mut self.classes[class as usize];
        unlink(&mut self.slots, order, Through::Class, index);
        if class == Class::Idle
            && let Entry::Occupied(mut order) = self.idle_of.entry(client)
        {
            unlink(&mut self.slots, order.get_mut(), Through::Client, index);
            if order.get().oldest.is_none() {
                order.remove();
            }
        }
    }
}

fn push_newest<T>(slots: &mut [Slot<T>], order: &mut Order, through: Through, index: u32) {
    let through = through as usize;
    slots[index as usize].links[through] = Links {
        before: order.newest,
        after: None,
    };
    match order.newest {
        Some(newest) => slots[newest as usize].links[through].after = Some(index),
        None => order.oldest = Some(index),
    }
    order.newest = Some(index);
}

fn unlink<T>(slots: &mut [Slot<T>], order: &mut Order, through: Through, index: u32) {
    let through = through as usize;
    let links = std::mem::take(&mut slots[index as usize].links[through]);
    match links.before {
        Some(before) => slots[before as usize].links[through].after = links.after,
        None => order.oldest = links.after,
    }
    match links.after {
        Some(after) => slots[after as usize].links[through].before = links.before,
        None => order.newest = links.before,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    fn client(last: u8) -> Client {
        Client::from(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn a_name_of_a_closed_connection_names_nobody() {
        let mut table = Table::new();
        let first = table.insert(client(1), Class::Idle, 'a');
        assert_eq!(table.remove(first), Some((client(1), 'a')));
        let second = table.insert(client(1), Class::Idle, 'b');
        assert_ne!(first, second);
        assert_eq!(table.get_mut(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(Token::from_u64(second.to_u64()), second);
        assert_eq!(table.get_mut(second), Some(&mut 'b'));
    }

    fn class() -> impl Strategy<Value = Class> {
        prop_oneof![
            Just(Class::Handshaking),
            Just(Class::Idle),
            Just(Class::Busy)
        ]
    }

    proptest! {
        /// Against a plain list that is searched.
        #[test]
        fn orders_equal_a_searched_list(
            steps in prop::collection::vec((0_u8..3, 0_u8..3, 0_usize..8, class()), 1..200)
        ) {
            let mut table = Table::new();
            let mut list: Vec<(Token, Client, Class)> = Vec::new();
            for (step, last, pick, class) in steps {
                match step {
                    0 => list.push((table.insert(client(last), class, ()), client(last), class)),
                    1 if !list.is_empty() => {
                        let (token, ..) = list.remove(pick % list.len());
                        prop_assert!(table.remove(token).is_some());
                    }
                    2 if !list.is_empty() => {
                        let at = pick % list.len();
                        let (token, client, before) = list[at];
                        table.place(token, class);
                        if before != class || class == Class::Idle {
                            list.remove(at);
                            list.push((token, client, class));
                        }
                    }
                    _ => {}
                }
                prop_assert_eq!(table.len(), list.len());
                for class in [Class::Handshaking, Class::Idle, Class::Busy] {
                    let mut walked = Vec::new();
                    let mut at = table.oldest(class);
                    while let Some(token) = at {
                        walked.push(token);
                        at = table.newer(token);
                    }
                    let of_class = list.iter().filter(|(.., of)| *of == class);
                    prop_assert_eq!(walked, of_class.map(|(token, ..)| *token).collect::<Vec<_>>());
                }
                for client in (0..3).map(client) {
                    let first = list.iter().find(|(_, of, class)| *of == client && *class == Class::Idle);
                    prop_assert_eq!(table.oldest_idle_of(client), first.map(|(token, ..)| *token));
                }
            }
        }
    }
}
