//! The store as a whole: what a commit promises, under power cuts, failures and readers.

mod commits;
mod cuts;
mod give_back;
mod readers;
