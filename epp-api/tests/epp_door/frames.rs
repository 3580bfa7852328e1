//! Commands as text, as an operator's own client would write them.

use iot_epp_api::epp::namespace::{CHANGE_POLL, DEVICE, LOGIN_SECURITY};

pub(crate) const EID: &str = "89049032123451234512345678901235";
pub(crate) const AUTH_INFO: &str = "Kq9(mZ2!vW7#xR4_tY6e";

fn frame(id: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><epp xmlns=\"urn:ietf:params:xml:ns:epp-1.0\">\
         <command>{content}<clTRID>{id}</clTRID></command></epp>"
    )
}

pub(crate) fn hello() -> String {
    "<epp xmlns=\"urn:ietf:params:xml:ns:epp-1.0\"><hello/></epp>".to_owned()
}

pub(crate) fn login(name: &str, password: &str) -> String {
    login_with(name, password, None)
}

pub(crate) fn login_with(name: &str, password: &str, new_password: Option<&str>) -> String {
    let new = new_password.map_or(String::new(), |_| {
        "<newPW>[LOGIN-SECURITY]</newPW>".to_owned()
    });
    let long = new_password.map_or(String::new(), |new| format!("<l:newPW>{new}</l:newPW>"));
    frame(
        "LOGIN-1",
        &format!(
            "<login><clID>{name}</clID><pw>[LOGIN-SECURITY]</pw>{new}\
             <options><version>1.0</version><lang>en</lang></options>\
             <svcs><objURI>{DEVICE}</objURI><svcExtension><extURI>{CHANGE_POLL}</extURI>\
             <extURI>{LOGIN_SECURITY}</extURI></svcExtension></svcs></login>\
             <extension><l:loginSec xmlns:l=\"{LOGIN_SECURITY}\"><l:pw>{password}</l:pw>{long}\
             </l:loginSec></extension>"
        ),
    )
}

pub(crate) fn logout() -> String {
    frame("LOGOUT-1", "<logout/>")
}

/// A command about a device with this content behind its id.
pub(crate) fn device(id: &str, verb: &str, content: &str) -> String {
    device_about(id, verb, EID, content)
}

pub(crate) fn device_about(id: &str, verb: &str, device_id: &str, content: &str) -> String {
    let (element, _) = verb.split_once(' ').unwrap_or((verb, ""));
    frame(
        id,
        &format!(
            "<{verb}><d:{element} xmlns:d=\"{DEVICE}\"><d:id>{device_id}</d:id>{content}</d:{element}></{element}>"
        ),
    )
}

/// A create whose request is these octets in base64.
pub(crate) fn create(id: &str, csr: &str) -> String {
    device(id, "create", &format!("<d:csr>{csr}</d:csr>"))
}

pub(crate) fn info(id: &str) -> String {
    device(id, "info", "")
}

pub(crate) fn hold(id: &str) -> String {
    device(id, "update", "<d:add><d:status s=\"clientHold\"/></d:add>")
}

pub(crate) fn unhold(id: &str) -> String {
    device(id, "update", "<d:rem><d:status s=\"clientHold\"/></d:rem>")
}

pub(crate) fn delete(id: &str) -> String {
    device(id, "delete", "")
}

pub(crate) fn poll(id: &str) -> String {
    frame(id, "<poll op=\"req\"/>")
}

pub(crate) fn acknowledge(id: &str, message_id: u64) -> String {
    frame(id, &format!("<poll op=\"ack\" msgID=\"{message_id}\"/>"))
}
