mod faults;
mod model;
mod zone;
