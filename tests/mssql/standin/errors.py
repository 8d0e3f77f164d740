"""The errors that the server raises: number, severity, text, as sys.messages has them ("Database Engine events and errors")."""

from __future__ import annotations

# number: (severity, text). %s are filled in order.
MESSAGES: dict[int, tuple[int, str]] = {
    102: (15, "Incorrect syntax near '%s'."),
    103: (15, "The identifier that starts with '%s' is too long. Maximum length is 128."),
    105: (15, "Unclosed quotation mark after the character string '%s'."),
    111: (15, "'%s' must be the first statement in a query batch."),
    113: (15, "Missing end comment mark '*/'."),
    134: (
        15,
        "The variable name '%s' has already been declared. Variable names must be unique within a query batch or stored procedure.",
    ),
    137: (15, 'Must declare the scalar variable "%s".'),
    156: (15, "Incorrect syntax near the keyword '%s'."),
    195: (15, "'%s' is not a recognized built-in function name."),
    207: (16, "Invalid column name '%s'."),
    208: (16, "Invalid object name '%s'."),
    213: (16, "Column name or number of supplied values does not match table definition."),
    229: (14, "The %s permission was denied on the object '%s', database '%s', schema '%s'."),
    230: (14, "The %s permission was denied on the column '%s' of the object '%s', database '%s', schema '%s'."),
    245: (16, "Conversion failed when converting the nvarchar value '%s' to data type int."),
    262: (14, "%s permission denied in database '%s'."),
    297: (16, "The user does not have permission to perform this action."),
    300: (14, "%s permission was denied on object '%s', database '%s'."),
    515: (16, "Cannot insert the value NULL into column '%s', table '%s'; column does not allow nulls. %s fails."),
    911: (16, "Database '%s' does not exist. Make sure that the name is entered correctly."),
    916: (14, 'The server principal "%s" is not able to access the database "%s" under the current security context.'),
    942: (14, "Database '%s' cannot be opened because it is offline."),
    1038: (
        15,
        "An object or column name is missing or empty. For SELECT INTO statements, verify each column has a name. For other "
        'statements, look for empty alias names. Aliases defined as "" or [] are not allowed. Change the alias to a valid name.',
    ),
    1223: (
        16,
        "Cannot release the application lock (Database Principal: '%s', Resource: '%s') because it is not currently held.",
    ),
    1222: (16, "Lock request time out period exceeded."),
    1801: (16, "Database '%s' already exists. Choose a different database name."),
    2714: (16, "There is already an object named '%s' in the database."),
    2760: (16, 'The specified schema name "%s" either does not exist or you do not have permission to use it.'),
    2812: (16, "Could not find stored procedure '%s'."),
    3701: (11, "Cannot drop the %s '%s', because it does not exist or you do not have permission."),
    3702: (16, 'Cannot drop database "%s" because it is currently in use.'),
    3729: (16, "Cannot drop schema '%s' because it is being referenced by object '%s'."),
    3902: (16, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION."),
    3903: (16, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION."),
    3930: (
        16,
        "The current transaction cannot be committed and cannot support operations that write to the log file. Roll back the transaction.",
    ),
    3906: (16, 'Failed to update database "%s" because the database is read-only.'),
    4060: (11, 'Cannot open database "%s" requested by the login. The login failed.'),
    4064: (11, "Cannot open user default database. Login failed."),
    4604: (16, "There is no such user or group '%s' or you do not have permission."),
    4611: (16, "To revoke or deny grantable privileges, specify the CASCADE option."),
    4613: (16, "Grantor does not have GRANT permission."),
    4624: (
        16,
        "Cannot grant, deny, or revoke permissions to sa, dbo, entity owner, information_schema, sys, or yourself.",
    ),
    4617: (16, "Cannot grant, deny or revoke permissions to or from special roles."),
    4621: (16, "Permissions at the server scope can only be granted when the current database is master"),
    4701: (16, 'Cannot find the object "%s" because it does not exist or you do not have permissions.'),
    4902: (16, 'Cannot find the object "%s" because it does not exist or you do not have permissions.'),
    5001: (16, "User must be in the master database."),
    5011: (
        14,
        "User does not have permission to alter database '%s', the database does not exist, or the database is not in a state that allows access checks.",
    ),
    5069: (16, "ALTER DATABASE statement failed."),
    6101: (16, "Session ID %s is not valid."),
    6102: (14, "User does not have permission to use the KILL statement."),
    6104: (16, "Cannot use KILL to kill your own process."),
    6106: (16, "Process ID %s is not an active process ID."),
    6107: (14, "Only user processes can be killed."),
    8114: (16, "Error converting data type %s to %s."),
    8115: (16, "Arithmetic overflow error converting expression to data type %s."),
    12824: (
        16,
        "The sp_configure value 'contained database authentication' must be set to 1 in order to %s a contained database.  You may "
        "need to use RECONFIGURE to set the value_in_use.",
    ),
    15006: (16, "'%s' is not a valid name because it contains invalid characters."),
    15007: (16, "'%s' is not a valid login or you do not have permission."),
    15010: (
        16,
        "The database '%s' does not exist. Supply a valid database name. To see available databases, use sys.databases.",
    ),
    15023: (16, "User, group, or role '%s' already exists in the current database."),
    15025: (16, "The server principal '%s' already exists."),
    15063: (16, "The login already has an account under a different user name."),
    15116: (
        16,
        "Password validation failed. The password does not meet the operating system policy requirements because it is too short.",
    ),
    15117: (
        16,
        "Password validation failed. The password does not meet the operating system policy requirements because it is too long.",
    ),
    15118: (
        16,
        "Password validation failed. The password does not meet the operating system policy requirements because it is not complex enough.",
    ),
    15122: (16, "The CHECK_EXPIRATION option cannot be used when CHECK_POLICY is OFF."),
    15136: (
        16,
        "The database principal is set as the execution context of one or more procedures, functions, or event notifications and cannot be dropped.",
    ),
    15138: (16, "The database principal owns a %s in the database, and cannot be dropped."),
    15141: (16, "The server principal owns a %s and cannot be dropped."),
    15144: (16, "The role has members. It must be empty before it can be dropped."),
    15150: (16, "Cannot %s the %s '%s'."),
    15151: (16, "Cannot %s the %s '%s', because it does not exist or you do not have permission."),
    15170: (
        16,
        "This login is the owner of %s job(s). You must delete or reassign these jobs before the login can be dropped.",
    ),
    15173: (
        16,
        "Server principal '%s' has granted one or more permission(s). Revoke the permission(s) before dropping the server principal.",
    ),
    15174: (
        16,
        "Login '%s' owns one or more database(s). Change the owner of the database(s) before dropping the login.",
    ),
    15183: (16, "The database principal owns objects in the database and cannot be dropped."),
    15247: (16, "User does not have permission to perform this action."),
    15284: (
        16,
        "The database principal has granted or denied permissions to objects in the database and cannot be dropped.",
    ),
    15401: (16, "Windows NT user or group '%s' not found. Check the name again."),
    15404: (16, "Could not obtain information about Windows NT group/user '%s', error code 0x%s."),
    15406: (
        16,
        'Cannot execute as the server principal because the principal "%s" does not exist, this type of principal cannot be '
        "impersonated, or you do not have permission.",
    ),
    15410: (16, "User, group, or role '%s' does not exist in the current database."),
    15419: (16, "Supplied parameter sid should be binary(16)."),
    15421: (16, "The database principal owns a database role and cannot be dropped."),
    15433: (16, "Supplied parameter sid is in use."),
    15434: (16, "Could not drop login '%s' as the user is currently logged in."),
    15517: (
        16,
        'Cannot execute as the database principal because the principal "%s" does not exist, this type of principal cannot be '
        "impersonated, or you do not have permission.",
    ),
    18456: (14, "Login failed for user '%s'."),
    18470: (14, "Login failed for user '%s'. Reason: The account is disabled."),
    33233: (16, "You can only create a user with a password in a contained database."),
    40508: (
        16,
        "USE statement is not supported to switch between databases. Use a new connection to connect to a different database.",
    ),
    40515: (16, "Reference to database and/or server name in '%s' is not supported in this version of SQL Server."),
    40517: (16, "Keyword or statement option '%s' is not supported in this version of SQL Server."),
    50000: (16, "The stand-in for SQL Server does not know this: %s"),
}


class SqlError(Exception):
    """An error that goes to the client."""

    def __init__(
        self, number: int, *parts: object, severity: int | None = None, text: str | None = None, state: int = 1
    ) -> None:
        known_severity, message = MESSAGES.get(number, (16, ""))
        if text is None:
            text = message % parts if parts else message
        super().__init__(text)
        self.number = number
        self.severity = known_severity if severity is None else severity
        self.state = state
        # By THROW, which ends the batch.
        self.thrown = False


# Errors of name resolution end the scope that they occur in, though their severity is 16 ("Deferred name resolution": a
# statement that names what is not there fails when it is run, as a compilation of it).
ENDS_SCOPE = {207, 208, 911, 916, 137, 195, 40508, 40515}


def unknown(what: str) -> SqlError:
    """What the stand-in does not do."""
    return SqlError(50000, what)
