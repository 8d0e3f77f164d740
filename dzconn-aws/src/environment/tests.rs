use dzconn_core::ErrorKind;
use dzconn_core::model::{AccountId, Owner, Principal, Region};

use super::roles::name_of;
use crate::Config;

fn owner() -> Owner {
    Owner::new(AccountId::new("111122223333").unwrap(), Region::new("eu-west-1").unwrap())
}

#[test]
fn a_roles_name_is_the_last_part_of_its_arn() {
    for (arn, name) in [
        ("arn:aws:iam::111122223333:role/datazone_usr_1", "datazone_usr_1"),
        ("arn:aws:iam::111122223333:role/service-role/datazone_usr_1", "datazone_usr_1"),
        ("arn:aws-cn:iam::111122223333:role/a/b/c", "c"),
    ] {
        assert_eq!(name_of(&owner(), &Principal::new(arn).unwrap()).unwrap(), name);
    }
    for arn in [
        "arn:aws:iam::999922223333:role/datazone_usr_1",
        "arn:aws:iam::111122223333:user/datazone_usr_1",
        "arn:aws:iam::111122223333:role/path/",
        "arn:aws:s3::111122223333:role/x",
        "datazone_usr_1",
    ] {
        assert_eq!(name_of(&owner(), &Principal::new(arn).unwrap()).unwrap_err().kind(), ErrorKind::Refused, "{arn}");
    }
}

#[test]
fn equipment_goes_by_the_names_of_the_account() {
    let equipment = super::equipment(&Config::default().environments).in_account(&owner().account);
    assert_eq!(equipment.boundary, "arn:aws:iam::111122223333:policy/dz_conn_a_environment_permission_boundary_policy");
    assert_eq!(equipment.default_boundary, "arn:aws:iam::aws:policy/AmazonDataZoneEnvironmentRolePermissionsBoundary");
    assert_eq!(
        equipment.policies,
        [
            "arn:aws:iam::111122223333:policy/dz_conn_a_environment_policy",
            "arn:aws:iam::aws:policy/AWSServiceCatalogEndUserFullAccess"
        ]
    );
    let tag = equipment.tag.unwrap();
    assert_eq!((tag.key.as_str(), tag.value.as_str()), ("dz_conn_p_access", "True"));
    let none = [("DZCONN_AWS_ENVIRONMENTS_TAG_KEY", "")];
    assert_eq!(super::equipment(&Config::read(None, none).unwrap().environments).tag, None);
}
